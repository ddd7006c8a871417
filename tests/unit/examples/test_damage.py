"""The demo's damaged version: plausible but for one bit, which every reader must notice."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.demo.damage import publish_damaged
from fraud_scorer.artifact.digest import sha256_file
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import Engine, Feature, FileRef, Framework, Golden, Manifest
from fraud_scorer.artifact.publish import publish
from fraud_scorer.artifact.store import DigestMismatch, fetch, read_manifest

MODEL = "model.fdm"


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """The folder of a version that is as it should be."""
    model = tmp_path / MODEL
    model.write_bytes(bytes(range(256)) * 8)
    sha256, size = sha256_file(model)
    manifest = Manifest(
        schema_version=1,
        model="card-payments",
        version="v3",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        framework=Framework(name="scikit-learn", version="1.9.1", python="3.13.0"),
        engine=Engine(format="fdm", version=1),
        files=(FileRef(path=MODEL, sha256=sha256, size=size, role="model"),),
        features=(Feature(name="amount", type="number"),),
        golden=(Golden(features={"amount": 1.0}, score=0.5),),
    )
    publish(DirectoryStore(tmp_path / "models"), manifest, {MODEL: model})
    return tmp_path / "models" / "v3"


def test_only_the_digest_tells_that_it_is_damaged(version: Path, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "bucket")
    assert publish_damaged(version, store) == MODEL

    stored = read_manifest(store, "v3")
    assert stored is not None
    (file,) = stored.manifest.files
    assert (tmp_path / "bucket/v3" / MODEL).stat().st_size == file.size
    with pytest.raises(DigestMismatch):
        fetch(store, f"v3/{MODEL}", tmp_path / "fetched", sha256=file.sha256, size=file.size)


def test_the_version_it_was_taken_from_stays_whole(version: Path, tmp_path: Path) -> None:
    before = (version / MODEL).read_bytes()
    publish_damaged(version, DirectoryStore(tmp_path / "bucket"))
    assert (version / MODEL).read_bytes() == before
