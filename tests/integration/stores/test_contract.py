"""What every model store promises, asked of real servers of every kind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import ManifestError
from fraud_scorer.artifact.publish import AlreadyPublished, publish
from fraud_scorer.artifact.store import (
    AlreadyThere,
    BucketMissing,
    DigestMismatch,
    FileMissing,
    Store,
    TooLarge,
    fetch,
    read_manifest,
)

from .conftest import MODEL_BYTES, Kind, manifest

SHA = sha256_hex(MODEL_BYTES)


def test_an_empty_store_has_no_versions(store: Store) -> None:
    assert store.list_versions() == []


def test_versions_are_listed_as_people_count(store: Store) -> None:
    for version in ("v10", "v9", "2026.01", "v1"):
        store.create(f"{version}/model.fdm", b"x")
    store.create(".blobs/sha256", b"not a version")
    store.create("README", b"not a folder")
    assert store.list_versions() == ["2026.01", "v1", "v9", "v10"]


def test_a_published_version_is_read_back(store: Store, model_file: Path) -> None:
    published = manifest()
    sha256 = publish(store, published, {"model.fdm": model_file})
    found = read_manifest(store, "v1")
    assert found is not None
    assert found.manifest == published
    assert found.sha256 == sha256
    assert read_manifest(store, "v1", unless=found.etag) is None
    assert read_manifest(store, "v1", unless="another") == found


def test_a_version_is_never_published_twice(store: Store, model_file: Path) -> None:
    publish(store, manifest(), {"model.fdm": model_file})
    with pytest.raises(AlreadyPublished, match="choose another version"):
        publish(store, manifest(model="other"), {"model.fdm": model_file})
    found = read_manifest(store, "v1")
    assert found is not None
    assert found.manifest.model == "card-payments"


def test_a_publication_that_was_cut_short_can_be_repeated(store: Store, model_file: Path) -> None:
    store.create("v1/model.fdm", MODEL_BYTES)
    publish(store, manifest(), {"model.fdm": model_file})
    assert read_manifest(store, "v1") is not None


def test_a_publication_whose_last_answer_was_lost_is_one(
    store: Store, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store.create

    def forgetful(path: str, source: Path | bytes) -> None:
        """As SDKs do when a connection is lost: the same request again."""
        create(path, source)
        create(path, source)

    monkeypatch.setattr(store, "create", forgetful)
    sha256 = publish(store, manifest(), {"model.fdm": model_file})
    found = read_manifest(store, "v1")
    assert found is not None
    assert found.sha256 == sha256


def test_a_publication_does_not_build_on_foreign_leftovers(store: Store, model_file: Path) -> None:
    store.create("v1/model.fdm", b"of another run")
    with pytest.raises(AlreadyPublished, match="left over"):
        publish(store, manifest(), {"model.fdm": model_file})
    with pytest.raises(FileMissing):
        read_manifest(store, "v1")


def test_a_file_that_is_not_what_the_manifest_says_is_not_published(
    store: Store, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.joblib"
    wrong.write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not what the manifest says"):
        publish(store, manifest(), {"model.fdm": wrong})
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


def test_a_manifest_in_the_wrong_folder_is_refused(store: Store, model_file: Path) -> None:
    publish(store, manifest("v1"), {"model.fdm": model_file})
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


def test_files_are_listed_below_a_folder(store: Store) -> None:
    store.create("v1/model.joblib", b"12345")
    store.create("v1/notes/readme.txt", b"1")
    store.create("v10/model.joblib", b"another version's")
    store.create(".blobs/sha256/abc", b"123")
    found = {one.path: one for one in store.list_files("v1/")}
    assert list(found) == ["v1/model.joblib", "v1/notes/readme.txt"]
    assert found["v1/model.joblib"].size == 5
    read = store.read("v1/model.joblib", limit=100)
    assert read is not None
    assert read[1] == found["v1/model.joblib"].etag
    assert [one.path for one in store.list_files("")] == [
        ".blobs/sha256/abc",
        "v1/model.joblib",
        "v1/notes/readme.txt",
        "v10/model.joblib",
    ]
    assert list(store.list_files("v2/")) == []


def test_what_is_written_again_has_another_etag(store: Store, tmp_path: Path) -> None:
    store.write(".quarantine/a.json", b"first")
    first = store.read(".quarantine/a.json", limit=100)
    (tmp_path / "second").write_bytes(b"second")
    store.write(".quarantine/a.json", tmp_path / "second")
    second = store.read(".quarantine/a.json", limit=100)
    assert first is not None
    assert second is not None
    assert (first[0], second[0]) == (b"first", b"second")
    assert first[1] != second[1]
    assert [one.etag for one in store.list_files(".quarantine/")] == [second[1]]


def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(store: Store) -> None:
    store.write(".quarantine/a.json", b"x")
    for _ in range(2):
        store.delete(".quarantine/a.json")
    with pytest.raises(FileMissing):
        store.read(".quarantine/a.json", limit=100)
    assert list(store.list_files(".quarantine/")) == []


def test_our_own_folders_are_no_versions(store: Store) -> None:
    for path in (".blobs/sha256/a", ".proofs/b.json", ".quarantine/c.json", ".v1/manifest.json"):
        store.create(path, b"x")
    assert store.list_versions() == []


def test_of_two_publishers_at_once_exactly_one_wins(kind: Kind, tmp_path: Path) -> None:
    ready = threading.Barrier(2)

    def one(number: int) -> str:
        content = f"model {number}".encode() * 10_000
        file = tmp_path / f"{number}.fdm"
        file.write_bytes(content)
        store = kind.store()
        store.list_versions()  # connected, so that they meet
        ready.wait(20)
        try:
            publish(store, manifest(content=content), {"model.fdm": file})
        except AlreadyPublished:
            return ""
        return sha256_hex(content)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(one, range(2)))
    (winner,) = filter(None, outcomes)
    found = read_manifest(kind.store(), "v1")
    assert found is not None
    model = found.manifest.model_file
    assert model.sha256 == winner
    fetch(kind.store(), "v1/model.fdm", tmp_path / "out", sha256=winner, size=model.size)


def test_a_version_that_was_overwritten_in_place_is_not_what_was_published(
    store: Store, model_file: Path, tmp_path: Path
) -> None:
    publish(store, manifest(), {"model.fdm": model_file})
    before = read_manifest(store, "v1")
    assert before is not None
    store.write("v1/model.fdm", MODEL_BYTES[::-1])
    with pytest.raises(DigestMismatch, match="publish the model again under a new version"):
        fetch(store, "v1/model.fdm", tmp_path / "out", sha256=SHA, size=len(MODEL_BYTES))
    store.write("v1/manifest.json", manifests.encode(manifest(content=MODEL_BYTES[::-1])))
    after = read_manifest(store, "v1", unless=before.etag)
    assert after is not None
    assert after.sha256 != before.sha256


def test_a_version_that_was_deleted_is_missing_and_not_out_of_reach(
    store: Store, model_file: Path, tmp_path: Path
) -> None:
    publish(store, manifest(), {"model.fdm": model_file})
    for name in ("manifest.json", "model.fdm"):
        store.delete(f"v1/{name}")
    with pytest.raises(FileMissing):
        read_manifest(store, "v1")
    with pytest.raises(FileMissing):
        fetch(store, "v1/model.fdm", tmp_path / "out", sha256=SHA, size=len(MODEL_BYTES))


def test_a_bucket_that_is_missing_is_told_from_a_file_that_is(kind: Kind, tmp_path: Path) -> None:
    store = kind.store(bucket="nobody-made-this")
    with pytest.raises(BucketMissing, match="create it"):
        store.list_versions()
    with pytest.raises(BucketMissing, match="create it"):
        list(store.list_files(""))
