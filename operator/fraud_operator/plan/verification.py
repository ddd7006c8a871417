"""The Job that judges a version before any scorer pod hears of it.

    fetch     gets the version's files by digest; has the credentials of the store, opens no file
    compile   only where a file is code: unpickles it, with no credentials, no token and no socket
    judge     sees flat artifacts alone; proves them, stores what is proven, and says the verdict

Each container has a /tmp of its own. What one hands to the next, the next cannot change. A Job is
made once and never changed; another attempt is another Job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fraud_operator.api import quantities
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import VERIFICATION, labels_for, metadata
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.pod_template import (
    TERMINATION_LOG,
    environment,
    mount,
    placement,
    restricted,
    unprivileged,
)
from fraud_operator.plan.release.decision import WantedVerification
from fraud_operator.plan.release.rules import FORMAT_VERSION, VerificationRules
from fraud_operator.plan.store_location import (
    artifacts_of,
    credentials_volume,
    location_of,
    source_of,
)
from fraud_operator.plan.types import Manifested, OperatorDefaults, StoreVersion, Verification
from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.plan import PlannedModel

VERSION_ANNOTATION = "fraudops.io/version"
SOURCE_ANNOTATION = "fraudops.io/source"
KEY_ANNOTATION = "fraudops.io/proof-key"
ATTEMPT_ANNOTATION = "fraudops.io/attempt"
FETCH, COMPILE, JUDGE = "fetch", "compile", "judge"

_KEY_DIGITS = 10
"""Of the key, in the Job's name, which is the value of a label of its pods."""
_KEPT_SECONDS = 3600
"""After its end: for whoever wants to read its log, and for an operator that is away meanwhile. The
cluster removes it then, so that thousands of detectors that come up need not wait for that."""
_FETCHED, _COMPILED = "/work/fetched", "/work/compiled"
_STORE, _ARTIFACTS = "/etc/fraudops/store-credentials", "/etc/fraudops/artifacts-credentials"
_SIGNATURE = "/etc/fraudops/signature"
_ROOM = "5Gi"
_FETCH_MEMORY = "256Mi"
_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
"""Low, so that it finds a place anywhere; what it takes beyond gives way to pods that serve."""
_MEBIBYTE = 1 << 20
_LEFT_TO_PARENT = 256
_LEAST_FOR_CHILD = 512
"""Mebibytes of compile's memory: so that the confined child is refused more, which is a verdict,
before the container is killed for it, which is none."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """What the Job is made from."""

    detector: FraudDetector
    effective: Effective
    image: str
    defaults: OperatorDefaults
    wanted: WantedVerification
    version: StoreVersion
    active: PlannedModel | None
    """Whose callers' requests the version has to take, and what the report compares it with."""

    @property
    def rules(self) -> VerificationRules:
        """How it is to be proven."""
        return self.effective.release.verification

    @property
    def has_code(self) -> bool:
        """Whether something is to be compiled: a bare file, or a format of another release."""
        manifest = self.version.manifest
        return manifest is None or manifest.engine.version != FORMAT_VERSION


def verification_name(detector: FraudDetector, of: WantedVerification | Verification) -> str:
    """Name of the Job."""
    return f"{detector.name}-verify-{of.key[:_KEY_DIGITS]}-{of.attempt}"


def verification(of: Verifying) -> Manifested:
    """The Job."""
    detector, wanted = of.detector, of.wanted
    rules, both = of.rules, labels_for(detector, VERIFICATION, "verification")
    name = verification_name(detector, wanted)
    meta = metadata(
        detector,
        name,
        {
            VERSION_ANNOTATION: wanted.version,
            SOURCE_ANNOTATION: wanted.source,
            KEY_ANNOTATION: wanted.key,
            ATTEMPT_ANNOTATION: str(wanted.attempt),
        },
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**meta, "labels": both},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": quantities.seconds(rules.timeout),
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {
                "metadata": {
                    "labels": both,
                    "annotations": {
                        "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
                        # A cloud's webhook gives containers a token: this one is to have none.
                        "eks.amazonaws.com/skip-containers": COMPILE,
                    },
                },
                "spec": _pod(of),
            },
        },
    }


def _pod(of: Verifying) -> dict[str, Any]:
    first = [_fetch(of), *([_compile(of)] if of.has_code else [])]
    return {
        **unprivileged(of.detector),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "initContainers": first,
        "containers": [_judge(of)],
        "volumes": _volumes(of, [one["name"] for one in first]),
        **placement(of.detector),
    }


def _fetch(of: Verifying) -> dict[str, Any]:
    wanted, bare = of.wanted, of.version.bare
    source = source_of(of.detector)
    arguments = [
        f"--store={_json(location_of(of.detector, source))}",
        f"--store-credentials={_STORE}",
        f"--version={wanted.version}",
        f"--into={_FETCHED}",
    ]
    if bare is not None:
        arguments.append(f"--bare={bare.path.rpartition('/')[2]}")
        arguments.append(f"--created-at={bare.modified}")
    else:
        arguments.append(f"--source={wanted.source}")
    mounts = [mount("fetched", _FETCHED)]
    # What nobody signed is refused before any of it is run.
    _hold_to_signature(of, arguments, mounts)
    if credentials_volume("store", of.detector, source) is not None:
        mounts.append(mount("store", _STORE, read_only=True))
    return _container(of, FETCH, arguments, mounts, memory=_FETCH_MEMORY)


def _compile(of: Verifying) -> dict[str, Any]:
    rules = of.rules
    mebibytes = int(quantities.bytes_of(rules.memory)) // _MEBIBYTE
    timeout = quantities.seconds(rules.timeout)
    arguments = [
        f"--bare={_FETCHED}",
        f"--output={_COMPILED}",
        f"--memory={max(_LEAST_FOR_CHILD, mebibytes - _LEFT_TO_PARENT)}Mi",
        f"--timeout={max(1, timeout - timeout // 10)}",
    ]
    mounts = [mount("fetched", _FETCHED, read_only=True), mount("compiled", _COMPILED)]
    return _container(of, COMPILE, arguments, mounts, memory=rules.memory, connects=False)


def _judge(of: Verifying) -> dict[str, Any]:
    detector = of.detector
    rules = of.rules
    place = artifacts_of(detector)
    arguments = [
        f"--fetched={_FETCHED}",
        f"--compiled={_COMPILED}",
        f"--artifacts={_json(location_of(detector, place))}",
        f"--artifacts-credentials={_ARTIFACTS}",
        f"--proof-key={of.wanted.key}",
        f"--model={detector.name}",
        f"--golden-tolerance={rules.golden_tolerance}",
        f"--max-score-milliseconds={rules.max_score_milliseconds}",
    ]
    mounts = [
        mount("fetched", _FETCHED, read_only=True),
        mount("compiled", _COMPILED, read_only=True),
    ]
    if credentials_volume("artifacts", detector, place) is not None:
        mounts.append(mount("artifacts", _ARTIFACTS, read_only=True))
    _hold_to_signature(of, arguments, mounts)
    if (chosen := of.effective.thresholds) is not None:
        arguments.append(f"--thresholds=review={chosen.review},decline={chosen.decline}")
    if of.active is not None:
        arguments.append(f"--active={_json(of.active)}")
    if rules.allow_input_changes:
        arguments.append("--allow-input-changes")
    return _container(of, JUDGE, arguments, mounts, memory=rules.memory)


def _hold_to_signature(of: Verifying, arguments: list[str], mounts: list[dict[str, Any]]) -> None:
    """Give a container the public key, where versions must be signed."""
    secret = of.rules.public_key_secret
    if secret is not None:
        arguments.append(f"--signature-key={_SIGNATURE}/{secret[1]}")
        mounts.append(mount("signature", _SIGNATURE, read_only=True))


def _container(
    of: Verifying,
    name: str,
    arguments: list[str],
    mounts: list[dict[str, Any]],
    *,
    memory: str,
    connects: bool = True,
) -> dict[str, Any]:
    """`connects`: with the variables that scorers get, a proxy for the store among them."""
    return {
        "name": name,
        "image": of.image,
        "imagePullPolicy": of.defaults.image_pull_policy,
        "command": ["fraud-scorer"],
        "args": [name, *arguments, f"--termination-log={TERMINATION_LOG}"],
        "resources": {"requests": dict(_REQUESTS), "limits": {"memory": memory}},
        "securityContext": restricted(),
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": [*mounts, mount(f"tmp-{name}", "/tmp")],  # noqa: S108 -- the pod's own
        **(environment(of.detector) if connects else {}),
    }


def _volumes(of: Verifying, first: list[str]) -> list[dict[str, Any]]:
    rules = of.rules
    names = ["fetched", "compiled", *(f"tmp-{name}" for name in (*first, JUDGE))]
    volumes: list[dict[str, Any]] = [
        {"name": name, "emptyDir": {"sizeLimit": _ROOM}} for name in names
    ]
    for name, place in (("store", source_of), ("artifacts", artifacts_of)):
        volume = credentials_volume(name, of.detector, place(of.detector))
        if volume is not None:
            volumes.append(dict(volume))
    if rules.public_key_secret is not None:
        secret, key = rules.public_key_secret
        items = [{"key": key, "path": key}]
        volumes.append({"name": "signature", "secret": {"secretName": secret, "items": items}})
    return volumes


def _json(value: object) -> str:
    return canonical_json(value).decode()
