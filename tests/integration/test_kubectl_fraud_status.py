"""`kubectl fraud status` on a real API server, run by kubectl as its plugin."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.support.bucket import Bucket
from tests.support.fraud_cli import FraudCli, fraud_cli
from tests.support.process import Installation, Operator, wait_for
from tests.support.virtual_node import VirtualNode


@pytest.fixture
def fraud(crds: Cluster, namespace: str) -> FraudCli:
    return fraud_cli(crds, namespace)


def test_a_life_by_its_exit_statuses(
    installation: Installation,
    node: VirtualNode,
    operator: Operator,
    bucket: Bucket,
    fraud: FraudCli,
) -> None:
    node.new = lambda pod: setattr(pod, "ready", False)
    installation.apply(bucket.detector())
    wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
    starting = fraud("status", "cards")
    assert starting.code == 3, starting
    assert "✗ Deployment/cards-scorer" in starting.out

    wait_for("both pods", lambda: len(node.pods) == 2)
    for pod in node.pods.values():
        pod.ready = True
    installation.kubectl("wait", "frauddetector/cards", "--for=condition=Ready", "--timeout=60s")
    ready = fraud("status", "cards")
    assert (ready.code, ready.err) == (0, "")
    assert ready.out.startswith(f"FraudDetector {fraud.namespace}/cards  Ready (Serving)\n")
    assert "active  v1  sha256:" in ready.out
    assert ready.out.count("✓ Pod/cards-scorer-") == 2
    assert "\x1b" not in ready.out

    as_json = fraud("status", "cards", "-o", "json")
    assert as_json.code == 0
    assert as_json.data["model"]["activeVersion"] == "v1"
    (deployment,) = [one for one in as_json.data["children"] if one["kind"] == "Deployment"]
    assert deployment["ready"] is True
    assert [pod["ready"] for pod in deployment["pods"]] == [True, True]

    broken = bucket.detector()
    broken["spec"]["scorer"]["imagePullSecrets"] = [{"name": "nope"}]
    installation.apply(broken)
    installation.kubectl("wait", "frauddetector/cards", "--for=condition=Stalled", "--timeout=60s")
    stalled = fraud("status", "cards")
    assert stalled.code == 4
    assert f"Secret {fraud.namespace}/nope does not exist: create it" in stalled.out


def test_a_detector_that_is_not_there(fraud: FraudCli) -> None:
    answer = fraud("status", "nobody")
    assert (answer.code, answer.out) == (5, "")
    assert answer.err.startswith(
        f"error: there is no FraudDetector nobody in namespace {fraud.namespace}"
    )


def test_a_detector_that_no_operator_has_seen(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    installation.apply(bucket.detector())
    answer = fraud("status", "cards")
    assert answer.code == 3
    assert "the operator has not seen" in answer.out
    assert "none yet" in answer.out


def test_an_api_server_that_does_not_answer(fraud: FraudCli, tmp_path: Path) -> None:
    config = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    answer = fraud("status", "cards", "--kubeconfig", str(path))
    assert answer.code == 1
    assert answer.err.startswith("error: cannot reach the API server")
    assert "Traceback" not in answer.err


def test_a_user_without_rights_is_told_which(fraud: FraudCli) -> None:
    if fraud.cluster.provider != "local":
        pytest.skip("only a local cluster signs certificates for other users")
    answer = fraud.user("nobody-special")("status", "cards")
    assert answer.code == 1
    assert 'User "nobody-special" cannot get resource "frauddetectors"' in answer.err
    assert "ask for that right" in answer.err


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_on_a_terminal(
    installation: Installation, bucket: Bucket, fraud: FraudCli, no_color: str, coloured: bool
) -> None:
    installation.apply(bucket.detector())
    ours, theirs = pty.openpty()
    command = [str(fraud.cluster.kubectl_path), "fraud", "status", "cards", "-n", fraud.namespace]
    environment = {**fraud.environment, "NO_COLOR": no_color}
    subprocess.run(command, stdout=theirs, env=environment, check=False)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert "FraudDetector" in shown
    assert ("\x1b[" in shown) is coloured
