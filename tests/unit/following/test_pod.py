"""A pod of two processes that follows plans, asked over real connections."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact import report as reports
from fraud_scorer.artifact.plan import PlannedModel
from tests.unit.following.support import (
    AUTHORIZED,
    TOKEN,
    Bucket,
    Namespace,
    with_thresholds,
)
from tests.unit.scorer.process import serving

pytestmark = pytest.mark.slow


def test_a_pod_serves_what_its_plan_names(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1, last_known_good=v2))
    with namespace.pod("--processes=2") as pod:
        ready = pod.process.logged("ready")
        assert (ready["version"], ready["revision"]) == ("v1", v1.revision)
        report = pod.holds(v1="Proven", v2="Proven")
        assert (report.serial, report.processes, report.ready) == (1, 2, True)
        assert (report.answering, report.fallback) == (v1.revision, False)
        assert pod.score()["model"]["digest"] == v1.digest

        report = pod.push(bucket.plan(2, v2, last_known_good=v1))
        assert (report.serial, report.answering) == (2, v2.revision)
        for _ in range(20):
            assert pod.score()["model"]["digest"] == v2.digest
        pod.process.process.terminate()
        assert pod.process.ended() == 0


def test_it_waits_for_a_plan_and_says_why(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel
) -> None:
    with namespace.pod() as pod:
        assert pod.readiness()["reason"] == "NoPlan"
        pod.process.logged("cannot read the model plan")
        namespace.mount("{}")
        assert "not a model plan" in pod.process.logged("not a model plan")["message"]
        assert "not a model plan" in pod.readiness()["message"]
        assert (pod.report().serial, pod.report().held) == (0, ())
        assert pod.get(reports.FOLLOWED_PATH).status_code == 404
        namespace.mount(bucket.plan(1, v1))
        pod.process.logged("ready")
        assert pod.score()["model"]["version"] == "v1"


def test_the_mounted_plan_is_followed_when_nobody_pushes(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1, last_known_good=v2))
    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        namespace.mount(bucket.plan(2, v2))
        pod.becomes(lambda report: report.serial == 2)
        assert pod.score()["model"]["version"] == "v2"
        pod.push(bucket.plan(4, v2, last_known_good=v1))
        namespace.mount(bucket.plan(3, v1))  # what the kubelet brings late
        assert "passed over" in pod.process.logged("passed over")["message"]
        assert (pod.report().serial, pod.report().answering) == (4, v2.revision)


def test_thresholds_change_without_a_file_being_fetched(
    own_bucket: Bucket, namespace: Namespace
) -> None:
    first = own_bucket.publish("v1", seed=1)
    namespace.mount(own_bucket.plan(1, first))
    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        assert pod.score()["decision"] == "approve"
        own_bucket.stop()
        strict = with_thresholds(first, "0.0", "0.0")
        pod.push(own_bucket.plan(2, first, candidate=strict))
        pod.becomes(lambda report: {one.state for one in report.held} == {"Proven"})
        pod.push(own_bucket.plan(3, strict, last_known_good=first))
        assert pod.score()["decision"] == "decline"


def test_what_a_plan_does_not_name_any_more_is_gone(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1, last_known_good=v2))
    with namespace.pod(state="state") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        pod.push(bucket.plan(2, v2))
        held = {v2.manifest.sha256, v2.model.sha256}
        assert {one.name for one in (namespace.folder / "state/blobs").iterdir()} == held
        assert pod.get(f"{reports.BLOBS_PATH}{v2.model.sha256}").status_code == 200
        assert pod.get(f"{reports.BLOBS_PATH}{v1.model.sha256}").status_code == 404
        assert pod.get(f"{reports.BLOBS_PATH}..%2Fplan.json").status_code == 404
        (serves,) = pod.process.children()
        assert v1.model.sha256 not in Path(f"/proc/{serves}/maps").read_text()


# ---- who may push, and what


def test_the_token_is_asked_for_and_read_anew(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1))
    text = plans.encode(bucket.plan(2))
    with namespace.pod() as pod:
        pod.process.logged("ready")
        for headers, status in (
            ({}, 401),
            ({"Authorization": TOKEN}, 401),
            ({"Authorization": "Bearer another"}, 403),
        ):
            assert pod.put(text, headers).status_code == status
            for path in (reports.PATH, reports.FOLLOWED_PATH, f"{reports.BLOBS_PATH}{'0' * 64}"):
                found = pod.client.get(f"{pod.management}{path}", headers=headers)
                assert found.status_code == status
                assert found.json()["status"] == status
        assert pod.report().serial == 1
        (namespace.token / "token").write_text("another")
        assert pod.get().status_code == 403
        (namespace.token / "token").unlink()
        assert pod.get().status_code == 503


def test_without_a_token_nobody_is_asked(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1))
    plan = namespace.plan_folder / "plan.json"
    given = (f"--plan={plan}", f"--store-credentials={namespace.credentials}")
    with serving(*given) as process:
        base = f"http://{process.logged('ready')['management']}"
        for path in (reports.PATH, reports.FOLLOWED_PATH):
            assert httpx.get(f"{base}{path}", headers=AUTHORIZED).status_code == 404


def test_a_plan_that_cannot_be_followed_changes_nothing(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel
) -> None:
    now = bucket.plan(5, v1)
    namespace.mount(now)
    with namespace.pod() as pod:
        pod.process.logged("ready")
        text = plans.encode(bucket.plan(6))
        for body, status, kind in (
            (plans.encode(bucket.plan(4)), 409, "outdated-plan"),
            (plans.encode(bucket.plan(5)), 409, "outdated-plan"),
            (text.replace('"serial":6', '"serial":7'), 422, "invalid-plan"),
            (plans.encode(bucket.plan(6, detector="another")), 422, "invalid-plan"),
            ("{", 422, "invalid-plan"),
            (text + " " * (1 << 20), 413, "body-too-large"),
        ):
            response = pod.put(body)
            assert (response.status_code, response.json()["type"].split(":")[-1]) == (status, kind)
        old = pod.put(plans.encode(bucket.plan(4))).json()["detail"]
        assert "serial 4" in old
        assert "follows 5" in old
        assert pod.put(text, AUTHORIZED | {"content-type": "text/plain"}).status_code == 415
        assert pod.put(plans.encode(now)).status_code == 200  # the same one again
        assert (pod.report().serial, pod.report().answering) == (5, v1.revision)
        assert pod.get(reports.FOLLOWED_PATH).text == plans.encode(now)
