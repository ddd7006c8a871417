"""Files below one folder: whole or not at all, and none that lies elsewhere."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.store import (
    AlreadyThere,
    BucketMissing,
    FileMissing,
    Store,
    StoreError,
    StoreUnreachable,
)

SECRET = b"of somebody else"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(SECRET)
    (tmp_path / "root" / "v1").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def confined(root: Path) -> DirectoryStore:
    return DirectoryStore(root, confined=True)


def touch_everything(store: Store, path: str) -> list[type[BaseException]]:
    """What each way of reaching a file raises."""
    raised: list[type[BaseException]] = []
    for reach in (
        lambda: store.read(path, limit=100),
        lambda: list(store.open(path)),
        lambda: store.create(path, b"x"),
        lambda: store.write(path, b"x"),
        lambda: store.delete(path),
    ):
        try:
            reach()
        except StoreError as error:
            raised.append(type(error))
    return raised


@pytest.mark.parametrize(
    "path",
    [
        "../elsewhere/secret",
        "v1/../../elsewhere/secret",
        "/etc/passwd",
        "v1//secret",
        "v1/./secret",
        "v1/\0",
        "..",
        "",
        "v1/.partial-0",
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_no_path_leads_out(root: Path, path: str, strict: bool) -> None:
    store = DirectoryStore(root, confined=strict)
    assert touch_everything(store, path) == [StoreError] * 5
    assert (root.parent / "elsewhere" / "secret").read_bytes() == SECRET


def test_no_link_leads_out(root: Path, confined: DirectoryStore) -> None:
    (root / "v1" / "file").symlink_to("../../elsewhere/secret")
    (root / "folder").symlink_to("../elsewhere")
    for path in ("v1/file", "folder/secret"):
        with pytest.raises(FileMissing):
            confined.read(path, limit=100)
    with pytest.raises(StoreUnreachable, match="a link, in the place of one of its folders"):
        confined.write("folder/secret", b"x")
    with pytest.raises(AlreadyThere):
        confined.create("v1/file", b"x")
    confined.delete("folder/secret")
    assert confined.list_versions() == ["v1"]
    assert list(confined.list_files("")) == []
    assert list(confined.list_files("folder/")) == []
    confined.write("v1/file", b"ours")  # in the place of the link
    assert confined.read("v1/file", limit=100) is not None
    assert (root.parent / "elsewhere" / "secret").read_bytes() == SECRET


def test_on_a_laptop_links_are_followed(root: Path) -> None:
    (root / "v1" / "model").symlink_to("../../elsewhere/secret")
    store = DirectoryStore(root)
    found = store.read("v1/model", limit=100)
    assert found is not None
    assert found[0] == SECRET
    assert [one.path for one in store.list_files("")] == ["v1/model"]


def test_a_pipe_is_no_file_and_holds_up_nobody(root: Path, confined: DirectoryStore) -> None:
    os.mkfifo(root / "v1" / "pipe")
    with pytest.raises(FileMissing):
        confined.read("v1/pipe", limit=100)
    assert list(confined.list_files("")) == []


def test_a_volume_that_is_not_mounted_is_not_made_up(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "nothing", confined=True)
    assert touch_everything(store, "v1/model") == [BucketMissing] * 5
    with pytest.raises(BucketMissing):
        list(store.list_files("v1/"))
    assert not (tmp_path / "nothing").exists()


def test_a_folder_to_publish_to_is_made(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "new" / "store")
    with pytest.raises(FileMissing):
        store.read("v1/manifest.json", limit=100)
    store.create("v1/manifest.json", b"x")
    assert store.list_versions() == ["v1"]


def test_without_hard_links_one_of_two_still_wins(
    confined: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    confined.create("v1/model", b"first")
    with pytest.raises(AlreadyThere):
        confined.create("v1/model", b"second")
    assert b"".join(confined.open("v1/model")) == b"first"


def test_what_is_given_up_leaves_nothing(root: Path, confined: DirectoryStore) -> None:
    with confined.writing("v1/model") as upload:
        upload.write(b"half of")
        assert list((root / "v1").iterdir()) != []
        assert list(confined.list_files("")) == []
    assert list((root / "v1").iterdir()) == []


def test_a_full_volume_says_so_and_keeps_what_was_there(
    confined: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    confined.write("v1/model", b"before")

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreUnreachable, match="No space left"):
        confined.write("v1/model", b"after")
    assert b"".join(confined.open("v1/model")) == b"before"


def test_files_are_sorted_as_a_bucket_sorts_them(root: Path, confined: DirectoryStore) -> None:
    paths = ["a/b", "a-b", "a.b", "a/b.c", "a/b/c", "B", "aa"]
    for path in paths:
        if path != "a/b":
            confined.create(path, b"x")
    assert [one.path for one in confined.list_files("")] == sorted(set(paths) - {"a/b"})


def test_a_file_system_s_own_folder_is_not_looked_into(
    root: Path, confined: DirectoryStore
) -> None:
    for folder in ("lost+found", "v1/lost+found"):
        (root / folder).mkdir()
        (root / folder / "file").write_bytes(b"x")
    assert [one.path for one in confined.list_files("")] == ["v1/lost+found/file"]
    assert confined.list_versions() == ["v1"]


def test_folders_that_are_empty_go_with_their_last_file(
    root: Path, confined: DirectoryStore
) -> None:
    confined.write("a/b/one", b"x")
    confined.write("a/two", b"x")
    confined.delete("a/b/one")
    assert not (root / "a" / "b").exists()
    assert (root / "a" / "two").exists()
    confined.delete("a/two")
    assert not (root / "a").exists()
    assert root.exists()


def test_what_was_written_may_be_read_by_others(root: Path, confined: DirectoryStore) -> None:
    before = os.umask(0o077)
    try:
        confined.create("v1/model", b"x")
    finally:
        os.umask(before)
    assert (root / "v1" / "model").stat().st_mode & 0o777 == 0o644
