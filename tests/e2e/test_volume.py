"""Models on a claim that one pod mounts: copied there by hand, served by pods without it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tests.e2e.bed import SECONDS, Bed, wait_for

pytestmark = pytest.mark.node

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "fraud-models"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "100Mi"}},
    },
}
ON_A_CLAIM = {
    "model": {"source": {"s3": None, "pvc": {"claimName": "fraud-models"}}},
    "scoring": {"thresholds": {"review": "0.50", "decline": "0.90"}},
}


def pickled(path: Path, seed: int) -> None:
    """A model as a notebook leaves it: a pickle, and nothing that describes it."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {"amount": rng.gamma(2.0, 40.0, 400), "night": rng.integers(0, 2, 400).astype(float)}
    )
    fraud = rows["amount"] + 60 * rows["night"] + rng.normal(0, 20, 400) > 180
    path.write_bytes(pickle.dumps(LogisticRegression().fit(rows, fraud)))


def pods(bed: Bed, purpose: str) -> list[Any]:
    selector = f"--selector=fraudops.io/detector=volume,app.kubernetes.io/name={purpose}"
    found = bed.get("pods", selector)
    return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]


def mounting(bed: Bed) -> str:
    """The name of the pod that mounts the volume, once it gives it out."""
    bed.kubectl(
        *("wait", "deployment/volume-models", "--for=condition=Available"),
        f"--timeout={SECONDS:.0f}s",
    )
    (pod,) = pods(bed, "fraud-volume")
    return str(pod["metadata"]["name"])


def copy(bed: Bed, what: Path, to: str) -> None:
    """As docs/model-stores.md has it."""
    bed.cluster.kubectl("cp", str(what), f"{bed.namespace}/{mounting(bed)}:{to}")


def test_a_claim_that_is_not_there_is_told_and_taken_once_it_is(bed: Bed) -> None:
    bed.apply("volume", ON_A_CLAIM)
    missing = wait_for(
        "the condition says what is missing",
        lambda: bed.condition("volume", "ModelStoreReachable"),
    )
    assert missing["reason"] == "VolumeUnavailable"
    assert 'persistentvolumeclaim "fraud-models" not found' in missing["message"]
    bed.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(CLAIM))
    wait_for(
        "it is read",
        lambda: bed.condition("volume", "ModelStoreReachable").get("status") == "True",
    )


def test_a_folder_with_a_pickle_that_is_copied_there_answers(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    pickled(tmp_path / "v1" / "model.pkl", seed=1)
    copy(bed, tmp_path / "v1", "/models/v1")
    bed.wait_active("volume", "v1")
    bed.wait_ready("volume")
    small = bed.score("volume", "tx-1", {"amount": 20.0, "night": 0})
    large = bed.score("volume", "tx-2", {"amount": 900.0, "night": 1})
    assert (small["decision"], large["decision"]) == ("approve", "decline")
    assert small["model"]["version"] == "v1"


def test_so_does_a_file_that_is_copied_into_a_folder_and_no_pod_restarts(
    bed: Bed, tmp_path: Path
) -> None:
    before = {pod["metadata"]["uid"] for pod in pods(bed, "fraud-scorer")}
    pickled(tmp_path / "model.pkl", seed=2)
    bed.kubectl("exec", mounting(bed), "--", "mkdir", "-p", "/models/v2")
    copy(bed, tmp_path / "model.pkl", "/models/v2/")
    bed.wait_active("volume", "v2")
    assert bed.score("volume", "tx-3", {"amount": 20.0, "night": 0})["model"]["version"] == "v2"
    assert {pod["metadata"]["uid"] for pod in pods(bed, "fraud-scorer")} == before


def test_the_volume_pod_may_go_and_come_back(bed: Bed, tmp_path: Path) -> None:
    bed.kubectl("delete", "pod", mounting(bed), "--wait=false")
    assert bed.score("volume", "tx-4", {"amount": 20.0, "night": 0})["model"]["version"] == "v2"
    (tmp_path / "v3").mkdir()
    pickled(tmp_path / "v3" / "model.pkl", seed=3)
    wait_for("another pod mounts it", lambda: len(pods(bed, "fraud-volume")) == 1)
    copy(bed, tmp_path / "v3", "/models/v3")
    bed.wait_active("volume", "v3")


def test_nobody_without_the_token_is_answered(bed: Bed) -> None:
    script = """
import sys, urllib.request, urllib.error
for path in ("/v1/folders", "/v1/files/v1%2Fmodel.pkl"):
    try:
        print(urllib.request.urlopen(sys.argv[1] + path, timeout=10).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
    said = bed.kubectl("exec", "client", "--", "python3", "-c", script, "http://volume-models:8088")
    assert said.split() == ["401", "401"]
