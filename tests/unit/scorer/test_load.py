"""Each way in which an artifact is unfit has its verdict; trouble with a store is never one."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import msgspec
import pytest

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_file, sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import Framework, Manifest
from fraud_scorer.artifact.plan import PlannedModel, planned
from fraud_scorer.artifact.store import AccessDenied, StoreUnreachable
from fraud_scorer.registry.load import load
from fraud_scorer.registry.refusal import Refused, Verdict
from tests.unit.scorer.support import classifier, linear, publish_to

Rewrite = Callable[..., PlannedModel]


class Unpickled(Exception):
    """Raised by `Bomb`: its bytes were loaded."""


class Bomb:
    """An object whose loading does something."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _explode, ("boom",)


def _explode(text: str) -> None:
    raise Unpickled(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish_to(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def wanted(folder: Path) -> PlannedModel:
    data = (folder / "v1/manifest.json").read_bytes()
    return planned(manifests.decode(data), sha256_hex(data))


@pytest.fixture
def rewrite(folder: Path) -> Rewrite:
    """Change the manifest, and return a plan that wants the changed one."""

    def change(**changes: object) -> PlannedModel:
        path = folder / "v1/manifest.json"
        manifest = msgspec.structs.replace(manifests.decode(path.read_bytes()), **changes)
        path.write_bytes(manifests.encode(manifest))
        return planned(manifest, sha256_hex(path.read_bytes()))

    return change


def verdict(folder: Path, wanted: PlannedModel, workspace: Path) -> Verdict:
    workspace.mkdir(exist_ok=True)
    with pytest.raises(Refused) as caught:
        load(DirectoryStore(folder), wanted, "r", workspace)
    found = caught.value.verdict
    assert (found.version, found.digest) == (wanted.version, wanted.digest)
    assert found.message
    return found


def test_changed_bytes(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    path = folder / "v1/model.joblib"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found = verdict(folder, wanted, tmp_path / "w")
    assert (found.reason, found.file) == ("DigestMismatch", "v1/model.joblib")
    assert found.expected == wanted.digest
    assert found.actual == "sha256:" + sha256_hex(bytes(data))


def test_truncated_bytes(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    path = folder / "v1/model.joblib"
    path.write_bytes(path.read_bytes()[:-100])
    assert verdict(folder, wanted, tmp_path / "w").reason == "DigestMismatch"


def test_wrong_bytes_are_never_loaded(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    joblib.dump(Bomb(), folder / "v1/model.joblib")
    assert verdict(folder, wanted, tmp_path / "w").reason == "DigestMismatch"


def test_a_missing_file(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    (folder / "v1/model.joblib").unlink()
    found = verdict(folder, wanted, tmp_path / "w")
    assert found.reason == "FileMissing"
    assert found.file.endswith("model.joblib")


def test_a_missing_manifest(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    (folder / "v1/manifest.json").unlink()
    assert verdict(folder, wanted, tmp_path / "w").reason == "FileMissing"


def test_another_manifest(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    path = folder / "v1/manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"0.5"', b'"0.1"'))
    found = verdict(folder, wanted, tmp_path / "w")
    assert (found.reason, found.file) == ("DigestMismatch", "v1/manifest.json")


def test_an_endless_manifest(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    (folder / "v1/manifest.json").write_bytes(b" " * (manifests.MAX_BYTES + 1))
    found = verdict(folder, wanted, tmp_path / "w")
    assert (found.reason, found.file) == ("DigestMismatch", "v1/manifest.json")


def test_a_manifest_that_is_none(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    data = b'{"schemaVersion": 1}'
    (folder / "v1/manifest.json").write_bytes(data)
    reference = msgspec.structs.replace(wanted.manifest, sha256=sha256_hex(data))
    changed = msgspec.structs.replace(wanted, manifest=reference)
    assert verdict(folder, changed, tmp_path / "w").reason == "ManifestInvalid"


def test_a_plan_made_from_another_manifest(
    folder: Path, wanted: PlannedModel, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(wanted, version="v2")
    found = verdict(folder, other, tmp_path / "w")
    assert (found.reason, found.file) == ("ManifestInvalid", "v1/manifest.json")


def test_another_framework(folder: Path, rewrite: Rewrite, tmp_path: Path) -> None:
    wanted = rewrite(framework=Framework(name="scikit-learn", version="0.1", python="2.7"))
    found = verdict(folder, wanted, tmp_path / "w")
    assert found.reason == "FrameworkMismatch"
    assert found.expected == "0.1"
    assert "run a scorer image that has 0.1" in found.message


@pytest.fixture
def replaced(folder: Path, rewrite: Rewrite) -> Callable[[object], PlannedModel]:
    """Put another object into the model file, with manifest and plan to match."""

    def put(model: object) -> PlannedModel:
        path = folder / "v1/model.joblib"
        if isinstance(model, bytes):
            path.write_bytes(model)
        else:
            joblib.dump(model, path)
        sha256, size = sha256_file(path)
        manifest = manifests.decode((folder / "v1/manifest.json").read_bytes())
        file = msgspec.structs.replace(manifest.files[0], sha256=sha256, size=size)
        return rewrite(files=(file,))

    return put


@pytest.mark.parametrize("model", [b"no pickle", b"\x80\x04", {"a": 1}, Bomb(), linear()])
def test_a_file_that_is_no_model(
    folder: Path, replaced: Callable[[object], PlannedModel], tmp_path: Path, model: object
) -> None:
    found = verdict(folder, replaced(model), tmp_path / "w")
    assert (found.reason, found.file) == ("LoadFailed", "v1/model.joblib")


def test_another_score(folder: Path, rewrite: Rewrite, tmp_path: Path) -> None:
    manifest: Manifest = manifests.decode((folder / "v1/manifest.json").read_bytes())
    first = manifest.golden[0]
    off = msgspec.structs.replace(first, score=first.score + 1e-6)
    found = verdict(folder, rewrite(golden=(off,)), tmp_path / "w")
    assert found.reason == "GoldenMismatch"
    assert found.expected == repr(off.score)
    assert found.actual == repr(first.score)


def test_a_difference_of_rounding_is_none(folder: Path, rewrite: Rewrite, tmp_path: Path) -> None:
    manifest: Manifest = manifests.decode((folder / "v1/manifest.json").read_bytes())
    first = manifest.golden[0]
    wanted = rewrite(golden=(msgspec.structs.replace(first, score=first.score + 1e-12),))
    (tmp_path / "w").mkdir()
    assert load(DirectoryStore(folder), wanted, "r", tmp_path / "w").version == "v1"


@pytest.mark.parametrize("trouble", [StoreUnreachable("away"), AccessDenied("no")])
def test_a_store_in_trouble_is_no_verdict(
    folder: Path, wanted: PlannedModel, tmp_path: Path, trouble: Exception
) -> None:
    class Troubled(DirectoryStore):
        def open(self, path: str) -> Iterator[bytes]:
            yield b"some bytes, then"
            raise trouble

    with pytest.raises(type(trouble)):
        load(Troubled(folder), wanted, "r", tmp_path)


def test_the_same_files_elsewhere_are_the_same_model(
    folder: Path, wanted: PlannedModel, tmp_path: Path
) -> None:
    shutil.move(folder / "v1", folder / "moved")
    data = (folder / "moved/manifest.json").read_bytes()
    moved = planned(manifests.decode(data), sha256_hex(data), folder="moved")
    (tmp_path / "w").mkdir()
    assert load(DirectoryStore(folder), moved, "r", tmp_path / "w").digest == wanted.digest


def test_threads_are_not_used(
    folder: Path, wanted: PlannedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forest was trained with n_jobs=-1; a score must not wait for a pool of threads."""
    assert classifier().steps[-1][1].n_jobs == -1
    (tmp_path / "w").mkdir()
    model = load(DirectoryStore(folder), wanted, "r", tmp_path / "w").model
    started: list[threading.Thread] = []
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread)
        original(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    model.score([[9.5, 3.0, "app", "gold"]])
    assert not started
