"""What people ask for by `kubectl fraud` is done, or refused with a reason, by the operator."""

from __future__ import annotations

import pytest

from tests.support.bucket import Bucket
from tests.support.fraud_cli import FraudCli, fraud_cli
from tests.support.process import Installation, Operator, wait_for
from tests.support.virtual_node import VirtualNode


@pytest.fixture
def fraud(
    node: VirtualNode, installation: Installation, operator: Operator, bucket: Bucket
) -> FraudCli:
    """The command, and a detector that served v1 and serves v2."""
    prefix = f"{installation.namespace}/"
    detector = bucket.detector()
    detector["spec"]["model"]["source"]["s3"]["prefix"] = prefix
    detector["spec"]["model"]["syncInterval"] = "1s"
    bucket.publish(prefix, "v1")
    installation.apply(detector)
    wait_for("v1 serves", lambda: _answered(node) == [["v1"], ["v1"]])
    bucket.publish(prefix, "v2", day=2)
    wait_for("v2 serves", lambda: _answered(node) == [["v1", "v2"]] * 2)
    return fraud_cli(installation.cluster, installation.namespace)


def _answered(node: VirtualNode) -> list[list[str]]:
    return [pod.answered_by for pod in node.pods.values()]


def test_people_go_back_and_forth_and_history_tells(
    fraud: FraudCli, node: VirtualNode, bucket: Bucket
) -> None:
    back = fraud("rollback", "cards", "--reason", "declines went up", "-o", "json")
    assert back.code == 0, back.err
    assert back.data["outcome"] == "Done"
    assert back.data["request"]["by"] not in ("", "unknown"), "the API server knows who asks"
    wait_for("v1 answers", lambda: _answered(node) == [["v1", "v2", "v1"]] * 2)

    history = fraud("history", "cards", "-o", "json").data["revisions"]
    assert [(one["version"], one["why"]) for one in history] == [
        ("v1", "RolledBack"),
        ("v2", "Promoted"),
        ("v1", "FirstVersion"),
    ]
    assert "declines went up" in fraud("status", "cards").out
    assert "last request: rollback, done" in fraud("status", "cards").out

    forth = fraud("promote", "cards")
    assert forth.code == 0, forth.out + forth.err
    wait_for("v2 answers again", lambda: _answered(node) == [["v1", "v2", "v1", "v2"]] * 2)


def test_what_cannot_be_done_says_why(fraud: FraudCli) -> None:
    nothing = fraud("abort", "cards")
    assert nothing.code == 1
    assert "there is no candidate" in nothing.out
    unknown = fraud("rollback", "cards", "--to", "v9")
    assert unknown.code == 1
    assert "v9 is not among what served" in unknown.out
    assert fraud("release", "cards", "v2").code == 1, "without a reason"
    kept = fraud("release", "cards", "v2", "--reason", "looked at it")
    assert kept.code == 1
    assert "not in quarantine" in kept.out
    missing = fraud("rollback", "nobody")
    assert missing.code == 5
    assert "there is no FraudDetector nobody" in missing.err


def test_who_may_only_look_cannot_ask(fraud: FraudCli, installation: Installation) -> None:
    installation.kubectl(
        "create", "rolebinding", "looker", "--clusterrole=fraudops-view", "--user=bob"
    )
    asked = fraud.user("bob")("rollback", "cards")
    assert asked.code == 1
    assert "forbidden" in asked.err
    status = installation.get("frauddetector", "cards")
    assert status is not None
    assert "fraudops.io/request" not in (status["metadata"].get("annotations") or {})


def test_an_operator_that_is_away_is_told_apart_from_one_that_refuses(
    fraud: FraudCli, operator: Operator
) -> None:
    operator.stop()
    waited = fraud("rollback", "cards", "--timeout", "1")
    assert waited.code == 3
    assert "has not answered yet" in waited.out
    asked = fraud("rollback", "cards", "--no-wait")
    assert asked.code == 0
    assert "kubectl fraud status cards says what came of it" in asked.out
