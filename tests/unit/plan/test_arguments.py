"""Every argument that pods are given is one that the scorer's programs take."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan import model_volume
from fraud_operator.plan.backup import backups
from fraud_operator.plan.effective import effective
from fraud_operator.plan.pod_template import pod_template
from fraud_operator.plan.release.decision import WantedVerification
from fraud_operator.plan.stores.planned import planned_stores
from fraud_operator.plan.stores.schema import schema
from fraud_operator.plan.types import BareFile, StoreVersion
from fraud_operator.plan.verification import Verifying, verification
from fraud_scorer.cli import serve_records
from fraud_scorer.cli.main import main
from tests.support.plans import revision
from tests.support.worlds import DEFAULTS, FULL, MINIMAL, detector, inputs, manifest
from tests.unit.plan.stores.conftest import EXTERNAL as EXTERNAL_STORES
from tests.unit.plan.stores.conftest import FULL as ALL_STORES
from tests.unit.plan.stores.conftest import SPEC as STORES

IMAGE = "registry.test/scorer:1"
EVERYTHING: dict[str, Any] = {
    **FULL,
    "model": {
        **FULL["model"],
        "source": {"pvc": {"claimName": "models", "path": "cards"}},
        "artifacts": {"gcs": {"bucket": "proven", "credentialsSecret": "google"}},
        "backup": {"destination": {"s3": {"bucket": "backup", "credentialsSecret": "aws"}}},
        "verification": {
            "signature": {"publicKeySecret": {"name": "signing", "key": "cosign.pub"}},
            "goldenTolerance": "1e-7",
        },
    },
    "scoring": {"thresholds": {"review": "0.50", "decline": "0.90"}},
}
STORED: list[dict[str, Any]] = [
    dict(STORES),
    dict(ALL_STORES),
    dict(EXTERNAL_STORES),
    {**MINIMAL, "postgres": {"managed": {"storage": "1Gi"}}},
]
VERSIONS = (
    StoreVersion("v2", manifest("v2"), "a" * 64),
    StoreVersion(
        "v3", None, bare=BareFile("v3/model.pkl", 10, "etag", "2026-01-01T00:00:00+00:00")
    ),
)


def pods(one: FraudDetector) -> Iterator[dict[str, Any]]:
    """The spec of every kind of pod that a detector has."""
    sizes = effective(one.spec)
    yield pod_template(one, sizes, IMAGE, DEFAULTS, None).body["spec"]
    for version in VERSIONS:
        wanted = WantedVerification(
            version.version, version.source, "0" * 20, 1, bare=version.bare is not None
        )
        job = verification(
            Verifying(one, sizes, IMAGE, DEFAULTS, wanted, version, active=revision("v1"))
        )
        yield job["spec"]["template"]["spec"]
    for cron_job in backups(one, IMAGE, DEFAULTS):
        yield cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    for server in model_volume.volume_servers(one):
        made = model_volume.deployment(server, IMAGE, DEFAULTS, None)
        yield made["spec"]["template"]["spec"]


def stored(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those of a detector with stores, besides."""
    given = inputs(spec)
    sizes = effective(given.detector.spec)
    planned = planned_stores(given, sizes, IMAGE, deployed=False)
    yield pod_template(given.detector, sizes, IMAGE, DEFAULTS, None, stores=planned.part).body[
        "spec"
    ]
    migration = schema(given, IMAGE, ["terminal", "card"], reachable=True)
    assert migration is not None
    assert migration.made is not None
    yield migration.made["spec"]["template"]["spec"]
    for one in planned.objects():
        if one.manifest["kind"] == "CronJob":
            yield one.manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    "spec",
    [MINIMAL, EVERYTHING, *STORED],
    ids=["minimal", "everything", "stores", "all of stores", "external stores", "no Redis"],
)
def test_programs_take_what_they_are_given(
    spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def no_run(self: argparse.ArgumentParser, given: Any = None, known: Any = None) -> Any:
        options = parse(self, given, known)
        if options.command == "serve" and spec is not STORED[1]:  # whose files would have to exist
            assert serve_records.contradiction(options) == ""
        if options.command == "serve":
            assert serve_records.embedded(options) is None, "that is for a laptop"
        taken.append(options.command)
        raise Parsed

    parse = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", no_run)
    found = stored(spec) if spec in STORED else pods(detector(spec))
    for pod in found:
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            with pytest.raises(Parsed):
                main(container["args"])
            mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
            volumes = {volume["name"] for volume in pod["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            for argument in container["args"]:
                folder = argument.partition("=")[2]
                if folder.startswith("/etc/fraudops/") and spec is not MINIMAL:
                    assert any(folder == at or folder.startswith(f"{at}/") for at in mounted), (
                        f"{container['name']}: {argument} is not mounted"
                    )
    if spec in STORED:
        assert set(taken) == {"serve", "migrate", "audit"}
        return
    expected = {"serve", "fetch", "compile", "judge"}
    assert set(taken) == expected | ({"backup", "volume"} if spec is EVERYTHING else set())


class Parsed(Exception):
    """The arguments were taken."""
