"""What every model store promises, asked of a folder and of a real S3 API."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import ManifestError
from fraud_scorer.artifact.publish import AlreadyPublished, publish
from fraud_scorer.artifact.store import (
    AlreadyThere,
    DigestMismatch,
    FileMissing,
    Store,
    TooLarge,
    fetch,
    read_manifest,
)

from .conftest import MODEL_BYTES, Make

SHA = sha256_hex(MODEL_BYTES)


def test_an_empty_store_has_no_versions(store: Store) -> None:
    assert store.list_versions() == []


def test_versions_are_listed_as_people_count(store: Store) -> None:
    for version in ("v10", "v9", "2026.01", "v1"):
        store.create(f"{version}/model.fdm", b"x")
    store.create(".blobs/sha256", b"not a version")
    store.create("README", b"not a folder")
    assert store.list_versions() == ["2026.01", "v1", "v9", "v10"]


def test_a_published_version_is_read_back(
    store: Store, make_manifest: Make, model_file: Path
) -> None:
    manifest = make_manifest()
    sha256 = publish(store, manifest, {"model.fdm": model_file})
    found = read_manifest(store, "v1")
    assert found is not None
    assert found.manifest == manifest
    assert found.sha256 == sha256
    assert read_manifest(store, "v1", unless=found.etag) is None
    assert read_manifest(store, "v1", unless="another") == found


def test_a_version_is_never_published_twice(
    store: Store, make_manifest: Make, model_file: Path
) -> None:
    publish(store, make_manifest(), {"model.fdm": model_file})
    with pytest.raises(AlreadyPublished, match="choose another version"):
        publish(store, make_manifest(model="other"), {"model.fdm": model_file})
    found = read_manifest(store, "v1")
    assert found is not None
    assert found.manifest.model == "card-payments"


def test_a_publication_that_was_cut_short_can_be_repeated(
    store: Store, make_manifest: Make, model_file: Path
) -> None:
    store.create("v1/model.fdm", MODEL_BYTES)
    publish(store, make_manifest(), {"model.fdm": model_file})
    assert read_manifest(store, "v1") is not None


def test_a_publication_does_not_build_on_foreign_leftovers(
    store: Store, make_manifest: Make, model_file: Path
) -> None:
    store.create("v1/model.fdm", b"of another run")
    with pytest.raises(AlreadyPublished, match="left over"):
        publish(store, make_manifest(), {"model.fdm": model_file})
    with pytest.raises(FileMissing):
        read_manifest(store, "v1")


def test_a_file_that_is_not_what_the_manifest_says_is_not_published(
    store: Store, make_manifest: Make, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.joblib"
    wrong.write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not what the manifest says"):
        publish(store, make_manifest(), {"model.fdm": wrong})
    assert store.list_versions() == []


def test_create_never_overwrites(store: Store, model_file: Path) -> None:
    store.create("v1/a", b"first")
    for second in (b"second", model_file):
        with pytest.raises(AlreadyThere):
            store.create("v1/a", second)
    assert store.read("v1/a", limit=100) == (b"first", store.read("v1/a", limit=100)[1])  # type: ignore[index]


def test_a_folder_without_manifest_is_an_upload_under_way(store: Store) -> None:
    store.create("v1/model.fdm", MODEL_BYTES)
    with pytest.raises(FileMissing) as caught:
        read_manifest(store, "v1")
    assert caught.value.file.endswith("manifest.json")


def test_a_manifest_in_the_wrong_folder_is_refused(
    store: Store, make_manifest: Make, model_file: Path
) -> None:
    publish(store, make_manifest("v1"), {"model.fdm": model_file})
    data, _ = store.read("v1/manifest.json", limit=10_000) or (b"", "")
    store.create("v2/manifest.json", data)
    with pytest.raises(ManifestError, match=r"\$\.version: is 'v1'.*'v2'"):
        read_manifest(store, "v2")


def test_an_endless_manifest_is_not_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "MAX_BYTES", 100)
    store.create("v1/manifest.json", b" " * 101)
    with pytest.raises(TooLarge, match="larger than 100 bytes"):
        read_manifest(store, "v1")


def test_fetch_copies_the_right_bytes(store: Store, tmp_path: Path) -> None:
    store.create("v1/model.fdm", MODEL_BYTES)
    fetch(store, "v1/model.fdm", tmp_path / "out", sha256=SHA, size=len(MODEL_BYTES))
    assert (tmp_path / "out").read_bytes() == MODEL_BYTES


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(MODEL_BYTES[:-1] + b"!", id="one-byte-flipped"),
        pytest.param(MODEL_BYTES[:-1], id="truncated"),
        pytest.param(MODEL_BYTES + b"!", id="too-long"),
        pytest.param(b"", id="empty"),
    ],
)
def test_fetch_refuses_wrong_bytes_and_leaves_nothing(
    store: Store, tmp_path: Path, stored: bytes
) -> None:
    store.create("v1/model.fdm", stored)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(DigestMismatch, match="publish the model again") as caught:
        fetch(store, "v1/model.fdm", folder / "model", sha256=SHA, size=len(MODEL_BYTES))
    assert caught.value.file == "v1/model.fdm"
    assert caught.value.expected != caught.value.actual
    assert list(folder.iterdir()) == []


def test_fetch_says_which_file_is_missing(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(FileMissing, match=r"model\.fdm does not exist"):
        fetch(store, "v1/model.fdm", folder / "model", sha256=SHA, size=1)
    assert list(folder.iterdir()) == []
