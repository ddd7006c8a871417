"""How versions come and go in real pods: none restarts, no request fails, a bad one goes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.drills.model.versions import alike
from tests.e2e.bed import Bed, wait_for
from tests.e2e.load import under_load
from tests.e2e.processes import first_process
from tests.support.closing import say
from tests.support.fraud_cli import fraud_cli

pytestmark = pytest.mark.node

NAME = "rollout"
CANARY: Mapping[str, Any] = {
    "strategy": "Canary",
    "canary": {"steps": [20], "stepDuration": "2s", "minRequests": 100},
}


@pytest.fixture(scope="module")
def rolling(bed: Bed) -> Bed:
    """A detector with two pods that serve v1."""
    bed.publish(NAME, "v1")
    bed.apply(NAME)
    bed.wait_ready(NAME)
    return bed


def uids(bed: Bed) -> set[str]:
    return {pod["metadata"]["uid"] for pod in bed.pods(NAME)}


def contrary() -> LogisticRegression:
    """A model that declines what the others approve."""
    rng = np.random.default_rng(1)
    rows = np.column_stack([rng.gamma(2.0, 40.0, 400), rng.integers(0, 2, 400)])
    return LogisticRegression().fit(rows, rows[:, 0] + 60 * rows[:, 1] < 180)


def test_a_new_version_reaches_running_pods(rolling: Bed) -> None:
    before = uids(rolling)
    with under_load(rolling, NAME) as load:
        rolling.publish(NAME, "v2", model=alike(2))
        rolling.wait_active(NAME, "v2")
        rolling.wait_ready(NAME)
    assert load.failed == ()
    assert set(load.versions) == {"v1", "v2"}
    assert uids(rolling) == before


def test_a_canary_is_promoted_by_what_it_answers(rolling: Bed) -> None:
    rolling.apply(NAME, {"model": {"rollout": CANARY}})
    with under_load(rolling, NAME, threads=3, pause=0.005) as load:
        rolling.publish(NAME, "v3", model=alike(3))
        wait_for("it answers its share", lambda: _candidate(rolling).get("state") == "Canary")
        say("a canary on its way", _told(rolling, "status", NAME).splitlines())
        rolling.wait_active(NAME, "v3")
    assert load.failed == ()
    say("promoted", _told(rolling, "status", NAME).splitlines())


def test_a_canary_that_decides_otherwise_is_withdrawn(rolling: Bed) -> None:
    before = uids(rolling)
    with under_load(rolling, NAME, threads=3, pause=0.005) as load:
        rolling.publish(NAME, "v4", model=contrary())
        wait_for("it is quarantined", lambda: _quarantined(rolling, "v4"))
        rolling.wait_active(NAME, "v3")
    assert load.failed == ()
    assert 0 < load.versions["v4"] < load.answered * 0.25, "no more than its share"
    assert uids(rolling) == before
    with under_load(rolling, NAME) as after:
        rolling.wait_ready(NAME)
    assert "v4" not in after.versions
    say("withdrawn", _told(rolling, "status", NAME).splitlines())


def test_too_little_traffic_passes_nobody_and_a_person_may(rolling: Bed) -> None:
    rolling.publish(NAME, "v5", model=alike(5))
    wait_for("it gives up", lambda: _candidate(rolling).get("state") == "Inconclusive")
    assert rolling.detector(NAME)["status"]["model"]["activeVersion"] == "v3"
    say("inconclusive", _told(rolling, "status", NAME).splitlines())
    _told(rolling, "promote", NAME, "--wait")
    assert rolling.detector(NAME)["status"]["model"]["activeVersion"] == "v5"


def test_a_person_goes_back_and_stays_there(rolling: Bed) -> None:
    with under_load(rolling, NAME) as load:
        _told(rolling, "rollback", NAME, "--to=v3", "--reason=complaints", "--wait")
        rolling.wait_active(NAME, "v3")
    assert load.failed == ()
    score = rolling.score(NAME, "after-rollback", {"amount": 20.0, "night": 0})
    assert score["model"]["version"] == "v3"


@pytest.fixture
def deaf_pod(rolling: Bed) -> Iterator[str]:
    """A pod that answers transactions and does not hear the operator: its parent process stands
    still."""
    name = rolling.pods(NAME)[0]["metadata"]["name"]
    parent = first_process(rolling, name)
    os.kill(parent, signal.SIGSTOP)
    try:
        yield name
    finally:
        os.kill(parent, signal.SIGCONT)


def test_a_pod_that_does_not_confirm_gets_no_traffic(rolling: Bed, deaf_pod: str) -> None:
    rolling.apply(NAME, {"model": {"rollout": {"strategy": "Immediate"}}})
    _told(rolling, "rollback", NAME, "--to=v2", "--reason=drill")
    wait_for("it lost its label", lambda: not _serving(rolling, deaf_pod))
    with under_load(rolling, NAME) as load:
        for number in range(20):
            answer = rolling.score(NAME, f"deaf-{number}", {"amount": 20.0, "night": 0})
            assert answer["model"]["version"] == "v2"
    assert set(load.versions) == {"v2"}
    assert load.failed == ()


def test_it_gets_traffic_again_once_it_has_confirmed(rolling: Bed) -> None:
    wait_for(
        "every pod has the label",
        lambda: all(_serving(rolling, pod["metadata"]["name"]) for pod in rolling.pods(NAME)),
    )
    rolling.wait_ready(NAME)


def _told(bed: Bed, *words: str) -> str:
    """What `kubectl fraud` says."""
    answer = fraud_cli(bed.cluster, bed.namespace)(*words)
    assert answer.code == 0, answer.err
    return answer.out


def _candidate(bed: Bed) -> Mapping[str, Any]:
    found: Mapping[str, Any] = bed.detector(NAME)["status"]["model"].get("candidate", {})
    return found


def _quarantined(bed: Bed, version: str) -> bool:
    entries = bed.detector(NAME)["status"]["model"].get("quarantined", ())
    return any(entry["version"] == version for entry in entries)


def _serving(bed: Bed, pod: str) -> bool:
    return "fraudops.io/serving" in bed.get("pod", pod)["metadata"]["labels"]
