"""What a pod does when something is away: a store, a file, its own past, any good model."""

from __future__ import annotations

import signal

import httpx
import msgspec
import pytest

from fraud_scorer.artifact import report as reports
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.plan import PlannedModel
from tests.unit.following.support import Bucket, Namespace, Pod
from tests.unit.scorer.support import transaction

pytestmark = pytest.mark.slow


def damaged(model: PlannedModel) -> PlannedModel:
    """The same, of which no store has the bytes."""
    digest = sha256_hex(model.version.encode())
    return msgspec.structs.replace(
        model,
        revision="damaged",
        digest=f"sha256:{digest}",
        model=msgspec.structs.replace(model.model, sha256=digest),
    )


def port(pod: Pod) -> int:
    return int(pod.management.rpartition(":")[2])


def test_a_container_that_is_started_anew_does_not_fall_behind(
    own_bucket: Bucket, namespace: Namespace
) -> None:
    """The mounted plan is an old one, and the store is away: what was followed is in the pod."""
    first, second = (own_bucket.publish(f"v{n}", seed=n) for n in (1, 2))
    namespace.mount(own_bucket.plan(1, first, last_known_good=second))
    with namespace.pod(state="state") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        incarnation = pod.report().incarnation
        assert pod.push(own_bucket.plan(2, second)).serial == 2
        pod.process.process.send_signal(signal.SIGKILL)
        pod.process.ended()
    own_bucket.stop()
    with namespace.pod(state="state") as pod:
        pod.process.logged("ready")
        report = pod.report()
        assert (report.serial, report.answering) == (2, second.revision)
        assert report.incarnation != incarnation
        assert pod.score()["model"]["digest"] == second.digest


def test_what_was_damaged_on_its_disk_is_fetched_anew(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1))
    file = namespace.folder / "state/blobs" / v1.model.sha256
    with namespace.pod(state="state") as pod:
        pod.process.logged("ready")
    (namespace.folder / "state/plan.json").write_text("{")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with namespace.pod(state="state") as pod:
        pod.process.logged("ready")
        assert pod.score()["model"]["digest"] == v1.digest
    assert sha256_hex(file.read_bytes()) == v1.model.sha256


def test_a_sibling_has_the_later_plan_and_the_bytes(
    own_bucket: Bucket, namespace: Namespace
) -> None:
    """The store is away, and the mounted plan is behind: the other pod has everything."""
    first, second = (own_bucket.publish(f"v{n}", seed=n) for n in (1, 2))
    namespace.mount(own_bucket.plan(1, first, last_known_good=second))
    with namespace.pod("--processes=2") as old:
        old.process.logged("ready")
        old.holds(v1="Proven", v2="Proven")
        old.push(own_bucket.plan(2, second, last_known_good=first))
        own_bucket.stop()
        with namespace.pod("--processes=2", siblings=port(old)) as new:
            new.process.logged("the store does not give what is needed")
            new.process.logged("ready")
            report = new.holds(v1="Proven", v2="Proven")
            assert (report.serial, report.answering) == (2, second.revision)
            assert new.score()["model"]["digest"] == second.digest


def test_a_file_that_was_deleted_comes_from_a_sibling(
    own_bucket: Bucket, namespace: Namespace
) -> None:
    first = own_bucket.publish("v1", seed=1)
    namespace.mount(own_bucket.plan(1, first))
    with namespace.pod() as old:
        old.process.logged("ready")
        path = f"{reports.BLOBS_PATH}{first.model.sha256}"
        data = old.get(path).content
        assert sha256_hex(data) == first.model.sha256
        own_bucket.remove("v1/model.fdm")
        with namespace.pod(siblings=port(old)) as new:
            new.process.logged("ready")
            assert new.holds(v1="Proven").serial == 1
    with namespace.pod() as alone:
        report = alone.holds(v1="Refused")
        assert report.held[0].reason == "FileMissing"
        assert alone.readiness()["reason"] == "FileMissing"
        own_bucket.overwrite("v1/model.fdm", data)  # it is put back, and the operator says so
        alone.push(own_bucket.plan(2, first))
        alone.process.logged("ready")


@pytest.mark.parametrize("reason", ["DigestMismatch", "StoreUnreachable"])
def test_the_last_known_good_one_stands_in(
    own_bucket: Bucket, namespace: Namespace, reason: str
) -> None:
    """A pod that cannot have the active one when it starts serves what it can, and says so."""
    first, second = (own_bucket.publish(f"v{n}", seed=n) for n in (1, 2))
    namespace.mount(own_bucket.plan(1, second, last_known_good=first))
    if reason == "StoreUnreachable":
        with namespace.pod(state="state") as pod:
            pod.holds(v1="Proven", v2="Proven")
        (namespace.folder / "state/blobs" / second.model.sha256).unlink()
        own_bucket.stop()
    else:
        own_bucket.overwrite("v2/model.fdm", b"other bytes")
    with namespace.pod("--processes=2", state="state") as pod:
        pod.process.logged("ready")
        report = pod.report()
        assert (report.ready, report.answering, report.fallback) == (True, first.revision, True)
        assert {one.version: one.reason for one in report.held} == {"v2": reason, "v1": ""}
        answer = pod.score()
        assert (answer["model"]["version"], answer["degraded"]) == ("v1", ["model"])
        assert pod.client.get(f"{pod.listen}/health").json()["status"] == "degraded"
        text = pod.client.get(f"{pod.management}/metrics").text
        assert f'revision="{first.revision}",role="last-known-good"' in text
        if reason == "StoreUnreachable":
            own_bucket.start()
            pod.becomes(lambda report: not report.fallback)
            assert pod.score()["degraded"] == []
            assert pod.score()["model"]["version"] == "v2"


def test_without_any_model_the_declared_decision_answers(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, when_unavailable="review"))
    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        answer = pod.score()
        assert (answer["decision"], answer["score"], answer["model"]) == ("review", None, None)
        assert answer["degraded"] == ["model"]
        assert pod.client.get(f"{pod.listen}/health").json() == {
            "model": None,
            "status": "degraded",
        }
        pod.push(bucket.plan(2, v1, when_unavailable="review"))
        pod.holds(v1="Proven")
        assert pod.score()["model"]["version"] == "v1"
        pod.push(bucket.plan(3, when_unavailable="decline"))
        assert pod.score()["decision"] == "decline"
        assert pod.readiness()["ready"]
        pod.push(bucket.plan(4))
        assert pod.readiness()["reason"] == "NoActiveModel"
        response = httpx.post(f"{pod.listen}/v1/score", json=transaction())
        assert response.status_code == 503


def test_a_candidate_that_is_not_what_it_must_be_is_refused_and_nothing_else(
    own_bucket: Bucket, namespace: Namespace
) -> None:
    """Bytes that nobody has, another model's, and golden transactions that come out otherwise."""
    first, second = (own_bucket.publish(f"v{n}", seed=n) for n in (1, 2))
    swapped = msgspec.structs.replace(
        second,
        revision="swapped",
        model=msgspec.structs.replace(second.model, path=first.model.path),
    )
    candidates = [
        (damaged(second), "DigestMismatch"),
        (swapped, "DigestMismatch"),
        (own_bucket.with_golden(second, 0.123), "GoldenMismatch"),
    ]
    namespace.mount(own_bucket.plan(1, first))
    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        for serial, (candidate, reason) in enumerate(candidates, start=2):
            pod.push(own_bucket.plan(serial, first, candidate=candidate, share=10_000))
            held = pod.becomes(lambda report: report.held[-1].state != "Loading").held
            assert (held[-1].state, held[-1].reason) == ("Refused", reason)
            assert held[0].state == "Proven"
            for n in range(20):
                assert pod.score(f"t-{n}")["model"]["digest"] == first.digest
        assert pod.readiness()["ready"]
