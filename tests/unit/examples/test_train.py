"""Training and publishing on a small business: what lands in the store is what was trained."""

from __future__ import annotations

from pathlib import Path

import boto3
import joblib
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from examples.handbook import dataset, kept, train, windows
from examples.handbook.dataset import Dataset
from examples.handbook.features import NAMES
from examples.handbook.kept import Kept
from examples.handbook.publication import thresholds
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import Manifest, Thresholds
from fraud_scorer.artifact.store import read_manifest
from fraud_scorer.engine import load

SMALL_FOREST = ["--model", "forest", "--trees", "10", "--depth", "5"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, small_dataset: Dataset, small_kept: Kept) -> None:
    monkeypatch.setattr(dataset, "load", lambda: small_dataset)
    monkeypatch.setattr(kept, "load", lambda _: small_kept)


def published(folder: Path, version: str) -> Manifest:
    stored = read_manifest(DirectoryStore(folder), version)
    assert stored is not None
    return stored.manifest


@pytest.mark.parametrize("model", [["--model", "logistic"], SMALL_FOREST], ids=lambda a: a[1])
def test_a_published_model_is_whole(tmp_path: Path, model: list[str]) -> None:
    assert train.main([*model, "--to", str(tmp_path), "--version", "v1"]) == 0
    manifest = published(tmp_path, "v1")
    assert tuple(feature.name for feature in manifest.features) == NAMES

    data = (tmp_path / "v1" / manifest.model_file.path).read_bytes()
    assert sha256_hex(data) == manifest.model_file.sha256
    estimator = joblib.load(tmp_path / "v1/model.joblib")
    for golden in manifest.golden:
        row = np.array([[golden.features[name] for name in NAMES]])
        assert estimator.predict_proba(row)[0, 1] == pytest.approx(golden.score, abs=1e-12)
    scores = [golden.score for golden in manifest.golden]
    assert scores == sorted(scores)
    assert {golden.label for golden in manifest.golden} == {"fraud", "genuine"}
    assert load(data).explains
    assert scores[0] < 0.05
    assert scores[-1] > 0.5

    assert manifest.reasons.keys() == set(NAMES)
    assert manifest.thresholds is not None
    assert manifest.reference is not None
    assert manifest.reference.features.keys() == set(NAMES)
    assert 0.5 < manifest.metrics["auc"] <= 1


@pytest.mark.parametrize("model", [["--model", "logistic"], SMALL_FOREST], ids=lambda a: a[1])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, model: list[str]) -> None:
    for version in ("v1", "v2"):
        assert train.main([*model, "--to", str(tmp_path), "--version", version]) == 0
    assert published(tmp_path, "v1").digest == published(tmp_path, "v2").digest


def test_kept_features_are_declared_as_kept_and_the_rest_is_sent(tmp_path: Path) -> None:
    assert train.main([*SMALL_FOREST, "--features", "kept", "--to", str(tmp_path)]) == 0
    manifest = published(tmp_path, "v1")
    assert tuple(feature.name for feature in manifest.features) == NAMES
    assert [one.source for one in manifest.features[:3]] == ["request"] * 3
    assert tuple(manifest.features[3:]) == windows.declared()


def test_without_history_a_model_has_the_amount_and_the_time_and_is_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precision = {}
    for features in ("amounts", "kept"):
        options = [*SMALL_FOREST, "--features", features, "--to", str(tmp_path)]
        assert train.main([*options, "--version", features]) == 0
        metrics = published(tmp_path, features).metrics
        assert f"{metrics['caughtScenario2']:.0f} of " in capsys.readouterr().out
        precision[features] = metrics["averagePrecision"]
    assert {one.name for one in published(tmp_path, "amounts").features} == set(NAMES[:3])
    assert precision["amounts"] < precision["kept"]


def test_another_seed_gives_another_forest(tmp_path: Path) -> None:
    for seed in ("0", "1"):
        version = f"v{seed}"
        options = [*SMALL_FOREST, "--to", str(tmp_path), "--version", version, "--seed", seed]
        assert train.main(options) == 0
    assert published(tmp_path, "v0").digest != published(tmp_path, "v1").digest


def test_results_stand_beside_the_published_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--model", "logistic"]) == 0
    shown = capsys.readouterr().out
    assert "0.871" in shown
    assert "0.606" in shown
    assert "differs" not in shown
    assert train.main(SMALL_FOREST) == 0
    assert "this one differs" in capsys.readouterr().out


def test_a_version_is_published_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--to", str(tmp_path), "--version", "v1"]
    assert train.main(options) == 0
    assert train.main(options) == 1
    assert "published already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--version", "no/slash"], "is not a version"),
        (["--to", "gs://bucket"], "is not a store"),
        (["--to", "s3:///prefix"], "is not a store"),
        (["--to", "folder", "--endpoint", "http://127.0.0.1:1"], "is a folder"),
    ],
)
def test_what_cannot_be_published_is_said_before_the_training(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(dataset, "load", lambda: pytest.fail("it trained"))
    assert train.main(options) == 1
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_publishing_to_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        s3.create_bucket(Bucket="models")
        options = ["--to", "s3://models/cards", "--endpoint", endpoint, "--version", "v7"]
        assert train.main(options) == 0
        body = s3.get_object(Bucket="models", Key="cards/v7/manifest.json")["Body"].read()
        assert manifests.decode(body).version == "v7"
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("scores", "review", "decline"),
    [
        (np.arange(10_001) / 10_000, "0.9900", "0.9970"),
        (np.zeros(100), "0.0001", "0.0002"),
        (np.ones(100), "0.9999", "1.0000"),
    ],
    ids=["spread", "no fraud", "all fraud"],
)
def test_a_review_comes_before_a_decline(scores: np.ndarray, review: str, decline: str) -> None:
    assert thresholds(scores) == Thresholds(review=review, decline=decline)
