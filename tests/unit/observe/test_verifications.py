"""Only judge's explicit verdict is one; everything else is inconclusive, and says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fraud_operator.observe.verifications import verifications
from fraud_operator.plan.types import Verification
from fraud_scorer.artifact import verdict as verdicts
from fraud_scorer.artifact.verdict import Inconclusive, Verdict

SOURCE, KEY = "a" * 64, "b" * 20
PROVEN = verdicts.encode(
    Verdict(outcome="Proven", reason="Proven", version="v2", source=SOURCE)
).decode()
REFUSED = verdicts.encode(
    Verdict(outcome="Refused", reason="GoldenMismatch", version="v2", source=SOURCE)
).decode()
STORE_AWAY = verdicts.encode(
    Inconclusive(reason="StoreUnreachable", message="http://s3 does not answer")
).decode()


def job(*conditions: dict[str, str], **meta: Any) -> dict[str, Any]:
    return {
        "kind": "Job",
        "metadata": {
            "name": "cards-verify-b-1",
            "uid": "job-1",
            "annotations": {
                "fraudops.io/version": "v2",
                "fraudops.io/source": SOURCE,
                "fraudops.io/proof-key": KEY,
                "fraudops.io/attempt": "1",
            },
            **meta,
        },
        "status": {"conditions": list(conditions)},
    }


def ended(name: str, code: int, message: str = "", reason: str = "") -> dict[str, Any]:
    said = {
        "exitCode": code,
        "message": message,
        "reason": reason or ("Error", "Completed")[not code],
    }
    return {"name": name, "state": {"terminated": said}}


def waiting(name: str, reason: str) -> dict[str, Any]:
    return {"name": name, "state": {"waiting": {"reason": reason, "message": "why"}}}


def pod(
    *containers: dict[str, Any],
    first: tuple[dict[str, Any], ...] = (),
    of: str = "job-1",
    **status: Any,
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "cards-verify-b-1-xyz",
            "ownerReferences": [{"kind": "Job", "uid": of, "controller": True}],
        },
        "status": {
            "conditions": [],
            "initContainerStatuses": list(first),
            "containerStatuses": list(containers),
            **status,
        },
    }


def seen(*pods: dict[str, Any], of: dict[str, Any] | None = None) -> Verification:
    (found,) = verifications({("Job", "cards-verify-b-1"): of or job()}, pods, "uid-1")
    return found


@pytest.mark.parametrize(("said", "outcome"), [(PROVEN, "Proven"), (REFUSED, "Refused")])
def test_judges_verdict_is_heard_before_the_job_controller_says_that_it_is_over(
    said: str, outcome: str
) -> None:
    found = seen(pod(ended("judge", 0, said)))
    assert (found.state, found.version, found.source) == ("Judged", "v2", SOURCE)
    assert (found.key, found.attempt) == (KEY, 1)
    assert found.verdict is not None
    assert found.verdict.outcome == outcome


@pytest.mark.parametrize(
    ("status", "ended_"),
    [({"phase": "Succeeded"}, True), ({"phase": "Failed"}, True), ({}, False)],
    ids=["succeeded", "failed", "a sidecar goes on"],
)
def test_a_verification_has_ended_when_nothing_of_it_runs(
    status: dict[str, Any], ended_: bool
) -> None:
    found = seen(pod(ended("judge", 0, PROVEN), **status))
    assert (found.state, found.ended) == ("Judged", ended_)


FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}
COMPLETE = {"type": "Complete", "status": "True"}


@pytest.mark.parametrize(
    "forged",
    [
        pod(ended("judge", 1, PROVEN), phase="Failed"),
        pod(ended("judge", 0, PROVEN[:-1])),
        pod(ended("judge", 0, "")),
        pod(ended("judge", 0, PROVEN.replace('"v2"', '"v3"'))),
        pod(ended("compile", 0, PROVEN)),
        pod(ended("judge", 0, ""), first=(ended("judge", 0, PROVEN),)),
        pod(ended("judge", 0, ""), first=(ended("compile", 0, PROVEN),)),
        pod(ended("sidecar", 0, PROVEN), ended("judge", 0, STORE_AWAY)),
        pod(ended("judge", 0, PROVEN), of="another"),
        pod({"name": "judge", "lastState": ended("judge", 0, PROVEN)["state"]}),
    ],
)
def test_what_others_say_is_no_verdict(forged: dict[str, Any]) -> None:
    found = seen(forged, of=job(COMPLETE))
    assert (found.state, found.verdict) == ("Inconclusive", None)
    assert found.reason == "NoVerdict"


def test_a_pod_that_nobody_owns_is_not_heard() -> None:
    nobodys = pod(ended("judge", 0, PROVEN))
    del nobodys["metadata"]["ownerReferences"]
    assert seen(nobodys).state == "Running"


@pytest.mark.parametrize(
    ("of", "reason", "said"),
    [
        (pod(phase="Failed", reason="Evicted", message="disk"), "Evicted", "disk"),
        (
            pod(ended("judge", 137, reason="OOMKilled"), phase="Failed"),
            "OutOfMemory",
            "spec.model.verification.memory",
        ),
        (
            pod(first=(ended("fetch", 4, STORE_AWAY),), phase="Failed"),
            "StoreUnreachable",
            "does not answer",
        ),
        (pod(ended("judge", 4, STORE_AWAY), phase="Failed"), "StoreUnreachable", "s3"),
        (pod(first=(ended("compile", 139),), phase="Failed"), "NoVerdict", "exit code 139"),
        (pod(ended("judge", 4, PROVEN), phase="Failed"), "NoVerdict", "exit code 4"),
        (pod(phase="Failed", reason="NodeLost", message="gone"), "NoVerdict", "NodeLost"),
    ],
)
def test_an_end_without_a_verdict_says_why(of: dict[str, Any], reason: str, said: str) -> None:
    found = seen(of)
    assert (found.state, found.reason) == ("Inconclusive", reason)
    assert said in found.message


def test_a_job_that_took_too_long_lost_its_pod() -> None:
    late = {**FAILED, "reason": "DeadlineExceeded"}
    found = seen(of=job(late))
    assert (found.state, found.reason) == ("Inconclusive", "DeadlineExceeded")
    assert "spec.model.verification.timeout" in found.message


def test_a_pod_that_vanished_is_no_verdict() -> None:
    assert seen(of=job(FAILED)).reason == "NoVerdict"
    assert "gone" in seen(of=job(FAILED)).message


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (pod(first=(waiting("fetch", "ImagePullBackOff"),)), "ImagePull"),
        (pod(first=(waiting("fetch", "CreateContainerConfigError"),)), "ConfigError"),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "no node"}]),
            "Unschedulable",
        ),
        (pod(first=(waiting("fetch", "PodInitializing"),)), ""),
        (pod(first=(ended("fetch", 0),)), ""),
    ],
)
def test_one_that_runs_says_what_keeps_it(of: dict[str, Any], reason: str) -> None:
    found = seen(of)
    assert (found.state, found.reason) == ("Running", reason)


def test_jobs_that_are_going_or_not_ours_are_passed_over() -> None:
    going = job(deletionTimestamp="2026-01-01T00:00:00Z")
    foreign = job(annotations={})
    assert verifications({("Job", "a"): going, ("Job", "b"): foreign}, (), "uid-1") == []


def test_a_verdict_as_long_as_one_can_be_is_read() -> None:
    long = Verdict(
        outcome="Refused", reason="LoadFailed", version="v2", source=SOURCE, message="x" * 9000
    )
    text = verdicts.encode(long).decode()
    assert len(text) <= verdicts.MAX_BYTES
    assert seen(pod(ended("judge", 0, json.dumps(json.loads(text))))).state == "Judged"


@pytest.mark.parametrize(("uid", "heard"), [("uid-1", 1), ("uid-0", 0)])
def test_a_job_of_a_former_detector_of_the_name_is_not_heard(uid: str, heard: int) -> None:
    owner = {"kind": "FraudDetector", "name": "cards", "uid": uid, "controller": True}
    of = job(COMPLETE, ownerReferences=[owner])
    found = verifications({("Job", "a"): of}, [pod(ended("judge", 0, PROVEN))], "uid-1")
    assert len(found) == heard
