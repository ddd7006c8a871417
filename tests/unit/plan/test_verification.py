"""The Job that judges a version: who has which credentials, and what each can reach."""

from __future__ import annotations

from typing import Any

import pytest

from fraud_operator.plan.children import pod_selector
from fraud_operator.plan.effective import effective
from fraud_operator.plan.release.decision import WantedVerification
from fraud_operator.plan.service import service
from fraud_operator.plan.siblings import siblings
from fraud_operator.plan.types import BareFile, StoreVersion
from fraud_operator.plan.verification import Verifying, verification, verification_name
from tests.support.plans import revision
from tests.support.rules import merged
from tests.support.worlds import DEFAULTS, FULL, MINIMAL, detector, manifest

KEY = "0123456789abcdef0123"
SOURCE = "a" * 64
BARE = StoreVersion(
    "v2", None, bare=BareFile("v2/model.joblib", 10, "etag", "2026-01-01T00:00:00+00:00")
)
MODEL: dict[str, Any] = {
    **FULL["model"],
    "artifacts": {
        "s3": {
            "bucket": "proven-models",
            "prefix": "card-payments/",
            "endpoint": "https://artifacts.storage.svc",
            "credentialsSecret": "artifact-writer",
            "caBundle": {"configMap": {"name": "storage-ca"}},
        }
    },
    "verification": {
        "signature": {"publicKeySecret": {"name": "model-signing", "key": "cosign.pub"}},
        "maxScoreMilliseconds": 20,
        "timeout": "5m",
        "memory": "1Gi",
    },
}
EVERYTHING = {**FULL, "model": MODEL}


def job(spec: Any = MINIMAL, version: StoreVersion | None = None, attempt: int = 1) -> Any:
    one = detector(spec)
    found = version or StoreVersion("v2", manifest("v2"), SOURCE)
    return verification(
        Verifying(
            detector=one,
            effective=effective(one.spec),
            image="registry.test/scorer:1",
            defaults=DEFAULTS,
            wanted=WantedVerification(
                found.version, found.source, KEY, attempt, bare=found.bare is not None
            ),
            version=found,
            active=revision("v1") if spec is EVERYTHING else None,
        )
    )


def containers(made: Any) -> dict[str, Any]:
    pod = made["spec"]["template"]["spec"]
    return {one["name"]: one for one in (*pod["initContainers"], *pod["containers"])}


def mounts(container: Any) -> dict[str, bool]:
    """Whether each volume can be written, by its name."""
    return {one["name"]: not one.get("readOnly", False) for one in container["volumeMounts"]}


def test_golden(golden: Any) -> None:
    golden("verification-minimal", job())
    golden("verification-full", job(EVERYTHING, BARE))


@pytest.mark.parametrize("made", [job(), job(EVERYTHING, BARE)], ids=["minimal", "full"])
def test_it_is_restricted_bounded_and_tried_once(made: Any) -> None:
    spec, pod = made["spec"], made["spec"]["template"]["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] in (600, 300)
    assert spec["ttlSecondsAfterFinished"] > 0
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in containers(made).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["terminationMessagePolicy"] == "File", "a log is no verdict"
    rooms = [one for one in pod["volumes"] if "emptyDir" in one]
    assert all(one["emptyDir"]["sizeLimit"] for one in rooms)


def test_what_unpickles_has_no_credentials_no_token_and_no_variables() -> None:
    compile_ = containers(job(EVERYTHING, BARE))["compile"]
    assert mounts(compile_) == {"fetched": False, "compiled": True, "tmp-compile": True}
    assert "env" not in compile_
    annotations = job(EVERYTHING, BARE)["spec"]["template"]["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/skip-containers"] == "compile"


def test_judge_knows_what_serves_and_whether_callers_were_changed() -> None:
    (active,) = (one for one in arguments(job(EVERYTHING), "judge") if one.startswith("--active="))
    assert '"version":"v1"' in active
    assert "--allow-input-changes" not in arguments(job(EVERYTHING), "judge")
    spec = merged({"model": {"verification": {"allowInputChanges": True}}})
    assert "--allow-input-changes" in arguments(job(spec), "judge")


def arguments(made: Any, container: str) -> list[str]:
    found: list[str] = containers(made)[container]["args"]
    return found


def test_only_code_is_compiled() -> None:
    assert list(containers(job())) == ["fetch", "judge"]
    assert list(containers(job(MINIMAL, BARE))) == ["fetch", "compile", "judge"]


def test_what_one_hands_on_the_next_cannot_change() -> None:
    found = containers(job(EVERYTHING, BARE))
    own = {"store": False, "signature": False, "tmp-fetch": True}
    assert mounts(found["fetch"]) == {"fetched": True, **own}
    assert mounts(found["judge"]) == {
        "fetched": False,
        "compiled": False,
        "artifacts": False,
        "signature": False,
        "tmp-judge": True,
    }


def test_only_judge_has_what_artifacts_are_written_with() -> None:
    volumes = {
        one["name"]: one for one in job(EVERYTHING, BARE)["spec"]["template"]["spec"]["volumes"]
    }
    assert "artifact-writer" in str(volumes["artifacts"])
    assert "storage-ca" in str(volumes["artifacts"])
    assert "model-store" in str(volumes["store"])
    assert "artifact-writer" not in str(volumes["store"])


def test_neither_deployment_nor_services_take_its_pods_for_scorers() -> None:
    one = detector()
    labels = job()["spec"]["template"]["metadata"]["labels"]
    for selector in (
        pod_selector(one),
        service(one)["spec"]["selector"],
        siblings(one)["spec"]["selector"],
    ):
        assert not selector.items() <= labels.items()
    assert labels["fraudops.io/detector"] == one.name, "by which the operator sees them"


def test_another_attempt_is_another_job_whose_name_fits() -> None:
    longest = detector(name="a" * 40)
    names = {
        verification_name(longest, WantedVerification("v2", SOURCE, KEY, attempt))
        for attempt in (1, 2, 999)
    }
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names), "it is the value of a label"


def test_the_confined_child_is_refused_memory_before_the_container_is_killed() -> None:
    arguments = containers(job(EVERYTHING, BARE))["compile"]["args"]
    assert "--memory=768Mi" in arguments
    assert "--timeout=270" in arguments
