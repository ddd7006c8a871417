"""A backup between two stores, damaged and cut short in every way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fraud_scorer.artifact import layout
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.blobs import keep
from fraud_scorer.artifact.digest import qualified, sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import FILE_NAME, FileRef
from fraud_scorer.artifact.plan import ManifestRef, ModelPlan, PlannedModel, S3Location
from fraud_scorer.artifact.store import Store, read_manifest
from fraud_scorer.backup import index as indexes
from fraud_scorer.backup.heal import backed_up, heal
from fraud_scorer.backup.mirror import Mirrored, mirror
from tests.support.manifests import manifest

DAYS = timedelta(days=30)
NOW = datetime.now(UTC)


class Cut(Exception):
    """The process is gone."""


class Mortal:
    """A store whose user dies at its nth write, before it or after it."""

    def __init__(self, store: Store, lives: int, *, after: bool) -> None:
        self._store, self._lives, self._after = store, lives, after

    def __getattr__(self, name: str) -> object:
        method = getattr(self._store, name)
        if name not in ("create", "write", "delete"):
            return method

        def call(*arguments: object) -> None:
            self._lives -= 1
            if self._lives < 0 and not self._after:
                raise Cut
            method(*arguments)
            if self._lives < 0:
                raise Cut

        return call


@pytest.fixture
def primary(tmp_path: Path) -> DirectoryStore:

    (tmp_path / "primary").mkdir()
    return DirectoryStore(tmp_path / "primary")


@pytest.fixture
def backup(tmp_path: Path) -> DirectoryStore:
    (tmp_path / "backup").mkdir()
    return DirectoryStore(tmp_path / "backup")


@pytest.fixture
def prove() -> Callable[..., PlannedModel]:
    """Put a version into a store as verification leaves it."""

    def put(store: Store, version: str, *, text: str = "") -> PlannedModel:
        data = f"model of {text or version}".encode() * 100
        file = FileRef(path="model.fdm", sha256=sha256_hex(data), size=len(data), role="model")
        made = manifest(version=version, files=(file,))
        described = manifests.encode(made)
        keep(store, data, file.sha256)
        sha256 = sha256_hex(described)
        keep(store, described, sha256)
        store.write(layout.proof(sha256[:20]), b"{}")
        return plans.as_revision(
            version=version,
            digest=made.digest,
            manifest=ManifestRef(path=layout.blob(sha256), sha256=sha256),
            model=replace(file, path=layout.blob(file.sha256)),
            thresholds=made.thresholds,
            reasons=4,
        )

    return put


def planned(active: PlannedModel, good: PlannedModel | None = None) -> ModelPlan:
    return plans.sealed(
        ModelPlan(
            schema_version=2,
            serial=1,
            checksum="",
            detector="card-payments",
            store=plans.StoreLocation(s3=S3Location(bucket="any")),
            active=active,
            last_known_good=good,
        )
    )


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Mirrored]:
    def call(primary: Store, backup: Store, plan: ModelPlan | None, **more: object) -> Mirrored:
        workspace = tmp_path / "workspace"
        shutil.rmtree(workspace, ignore_errors=True)
        workspace.mkdir()
        when: dict[str, Any] = {"retention": DAYS, "now": datetime.now(UTC), **more}
        return mirror(primary, backup, plan, workspace=workspace, **when)

    return call


def everything(store: DirectoryStore) -> dict[str, bytes]:
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in sorted(store.root.rglob("*"))
        if path.is_file()
    }


def test_the_backup_is_a_model_store(primary, backup, prove, run) -> None:
    prove(primary, "v1")
    v2 = prove(primary, "v2")
    done = run(primary, backup, planned(v2))
    assert (done.copied, done.removed, done.lost) == (2, 0, [])
    assert done.verified == 8
    assert backup.list_versions() == ["v1", "v2"]
    found = read_manifest(backup, "v2")
    assert found is not None
    assert found.manifest.digest == v2.digest
    assert (backup.root / "v2" / "model.fdm").read_bytes() == b"model of v2" * 100


def test_reports_and_refusals_come_along_and_only_once(primary, backup, prove, run) -> None:
    v1 = prove(primary, "v1")
    refusal = layout.quarantine_entry("a" * 64, "v0")
    primary.write(refusal, b"{}")
    run(primary, backup, planned(v1))
    assert {refusal, layout.proof(v1.manifest.sha256[:20])} <= everything(backup).keys()
    (backup.root / refusal).unlink()
    run(primary, backup, planned(v1))
    assert refusal not in everything(backup), "it was copied again, though nothing changed"
    primary.write(refusal, b'{"released": true}')
    run(primary, backup, planned(v1))
    assert everything(backup)[refusal] == b'{"released": true}'


def test_what_is_there_already_is_read_and_not_written(primary, backup, prove, run) -> None:
    v1 = prove(primary, "v1")
    run(primary, backup, planned(v1))
    before = {path: (backup.root / path).stat().st_ino for path in everything(backup)}
    done = run(primary, backup, planned(v1))
    after = {path: (backup.root / path).stat().st_ino for path in everything(backup)}
    assert (done.copied, done.verified) == (0, 4)
    changed = {path for path in before if before[path] != after[path]}
    assert changed <= {indexes.PATH}


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_damage_in_the_backup_is_found_and_mended(primary, backup, prove, run, damage) -> None:
    v1 = prove(primary, "v1")
    run(primary, backup, planned(v1))
    whole = everything(backup)
    for path in (layout.blob(v1.digest), "v1/model.fdm", f"v1/{FILE_NAME}"):
        harm(backup.root / path, damage)
    done = run(primary, backup, planned(v1))
    assert done.lost == []
    kept = everything(backup)
    assert {p: kept[p] for p in kept if p != indexes.PATH} == {
        p: whole[p] for p in whole if p != indexes.PATH
    }


def test_what_is_whole_nowhere_is_said(primary, backup, prove, run) -> None:
    v1 = prove(primary, "v1")
    harm(primary.root / layout.blob(v1.digest), "flip")
    done = run(primary, backup, planned(v1))
    assert done.lost == [v1.digest]
    assert backup.list_versions() == []


def test_old_versions_go_and_never_those_of_the_plan(primary, backup, prove, run) -> None:
    v1, v2, v3 = (prove(primary, f"v{n}") for n in (1, 2, 3))
    run(primary, backup, planned(v3, v2))
    later = NOW + 3 * DAYS
    done = run(primary, backup, planned(v3, v1), now=later)
    assert (done.removed, done.lost) == (1, [])
    assert backup.list_versions() == ["v1", "v3"]
    assert not (backup.root / layout.blob(v2.digest)).exists()
    assert (backup.root / layout.blob(v1.digest)).exists()
    assert run(primary, backup, planned(v3, v1), now=later).copied == 0, "it came back"


def test_bytes_that_two_versions_share_stay_for_the_other(primary, backup, prove, run) -> None:
    prove(primary, "v1", text="same")
    v2 = prove(primary, "v2", text="same")
    run(primary, backup, planned(v2))
    run(primary, backup, planned(v2), now=NOW + 2 * DAYS)
    assert backup.list_versions() == ["v2"]
    assert (backup.root / layout.blob(v2.digest)).exists()


def test_a_version_overwritten_in_place_keeps_both(primary, backup, prove, run) -> None:
    first = prove(primary, "v1", text="before")
    run(primary, backup, planned(first))
    second = prove(primary, "v1", text="after")
    done = run(primary, backup, planned(second, first))
    assert done.lost == []
    assert {(backup.root / layout.blob(one.digest)).exists() for one in (first, second)} == {True}
    assert run(primary, backup, planned(second, first)).copied == 0


def test_nothing_of_others_in_the_bucket_is_touched(primary, backup, prove, run) -> None:
    backup.write("notes/readme.txt", b"ours")
    backup.write(layout.blob("b" * 64), b"somebody else's")
    v1 = prove(primary, "v1")
    run(primary, backup, planned(v1))
    run(primary, backup, None, now=NOW + 2 * DAYS)
    assert backup.list_versions() == ["notes"]
    kept = everything(backup)
    assert kept["notes/readme.txt"] == b"ours"
    assert kept[layout.blob("b" * 64)] == b"somebody else's"


@pytest.mark.parametrize("after", [False, True], ids=["before a write", "after a write"])
def test_a_backup_that_was_cut_short_is_finished_by_the_next(tmp_path, prove, run, after) -> None:
    finished, lives = False, 0
    while not finished:
        primary, backup = (DirectoryStore(tmp_path / f"{name}{lives}") for name in ("p", "b"))
        for store in (primary, backup):
            store.root.mkdir()
        v1, v2 = prove(primary, "v1"), prove(primary, "v2")
        try:
            run(primary, Mortal(backup, lives, after=after), planned(v2, v1))
            finished = True
        except Cut:
            assert run(primary, backup, planned(v2, v1)).lost == []
        assert backup.list_versions() == ["v1", "v2"]
        again = run(primary, backup, planned(v2, v1))
        assert (again.copied, again.verified, again.lost) == (0, 8, [])
        lives += 1
    assert lives > 8, "it was cut at every write"


def test_two_at_once_do_each_other_no_harm(tmp_path, primary, backup, prove) -> None:
    versions = [prove(primary, f"v{n}") for n in range(6)]
    plan = planned(versions[-1], versions[0])

    def once(number: int) -> Mirrored:
        workspace = tmp_path / str(number)
        workspace.mkdir()
        return mirror(
            primary, backup, plan, retention=DAYS, now=datetime.now(UTC), workspace=workspace
        )

    with ThreadPoolExecutor() as pool:
        for done in pool.map(once, range(3)):
            assert done.lost == []
    assert len(indexes.read(backup).versions) == 6


def test_heal_restores_from_the_backup(primary, backup, prove, run, tmp_path) -> None:
    v1, v2 = prove(primary, "v1"), prove(primary, "v2")
    run(primary, backup, planned(v2, v1))
    whole = everything(primary)
    harm(primary.root / layout.blob(v1.digest), "flip")
    harm(primary.root / v2.manifest.path, "delete")
    found = heal(primary, planned(v2, v1).models, [backed_up(backup)], tmp_path)
    assert set(found.restored) == {v1.digest, qualified(v2.manifest.sha256)}
    assert (found.verified, found.lost) == (2, ())
    assert everything(primary) == whole


def test_heal_takes_no_damaged_bytes_from_anywhere(primary, backup, prove, run, tmp_path) -> None:
    v1 = prove(primary, "v1")
    run(primary, backup, planned(v1))
    harm(primary.root / layout.blob(v1.digest), "delete")
    harm(backup.root / layout.blob(v1.digest), "flip")
    found = heal(primary, planned(v1).models, [backed_up(backup)], tmp_path)
    assert found.lost == (v1.digest,)
    assert not (primary.root / layout.blob(v1.digest)).exists()


def harm(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "delete":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[:-1])
    else:
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
