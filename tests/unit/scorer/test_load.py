"""Each way in which an artifact is unfit has its verdict; trouble with a store is never one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_file, sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.features import Window
from fraud_scorer.artifact.manifest import Engine, Manifest
from fraud_scorer.artifact.plan import PlannedModel, planned
from fraud_scorer.artifact.store import AccessDenied, DigestMismatch, StoreUnreachable
from fraud_scorer.compile import compile_model
from fraud_scorer.http.beside import Beside
from fraud_scorer.pipeline.stages import PLAIN
from fraud_scorer.registry.load import load, open_fetched, prove
from fraud_scorer.registry.refusal import KeptFeaturesMissing, Refused, Verdict
from tests.unit.scorer.support import NUMBERS, linear, publish_to

Rewrite = Callable[..., PlannedModel]


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
    path = folder / "v1/model.fdm"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found = verdict(folder, wanted, tmp_path / "w")
    assert (found.reason, found.file) == ("DigestMismatch", "v1/model.fdm")
    assert found.expected == wanted.digest
    assert found.actual == "sha256:" + sha256_hex(bytes(data))


def test_truncated_bytes(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    path = folder / "v1/model.fdm"
    path.write_bytes(path.read_bytes()[:-100])
    assert verdict(folder, wanted, tmp_path / "w").reason == "DigestMismatch"


def test_what_it_was_compiled_from_is_never_fetched(
    folder: Path, wanted: PlannedModel, tmp_path: Path
) -> None:
    (folder / "v1/model.joblib").unlink()
    (tmp_path / "w").mkdir()
    assert load(DirectoryStore(folder), wanted, "r", tmp_path / "w").version == "v1"


def test_the_model_outlives_the_folder_it_was_mapped_from(
    folder: Path, wanted: PlannedModel, tmp_path: Path
) -> None:
    (tmp_path / "w").mkdir()
    found = load(DirectoryStore(folder), wanted, "r", tmp_path / "w")
    assert list((tmp_path / "w").iterdir()) == []
    (tmp_path / "w").rmdir()
    prove(found.model, found.manifest, wanted)


def test_a_missing_file(folder: Path, wanted: PlannedModel, tmp_path: Path) -> None:
    (folder / "v1/model.fdm").unlink()
    found = verdict(folder, wanted, tmp_path / "w")
    assert found.reason == "FileMissing"
    assert found.file.endswith("model.fdm")


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


async def test_a_model_with_kept_features_loads_and_is_not_served_where_none_are_kept(
    folder: Path, rewrite: Rewrite, tmp_path: Path
) -> None:
    features = manifests.decode((folder / "v1/manifest.json").read_bytes()).features
    kept = Window(entity="customer", aggregate="count", window="1d", bucket="1h", default=0.0)
    first = msgspec.structs.replace(
        features[0], source=kept, minimum=None, maximum=None, categories=None
    )
    wanted = rewrite(features=(first, *features[1:]))
    (tmp_path / "w").mkdir()
    found = load(DirectoryStore(folder), wanted, "0123456789", tmp_path / "w")
    with pytest.raises(KeptFeaturesMissing, match=r"spec\.redis.*--redis"):
        await Beside(PLAIN).prepare(found)


def test_a_format_that_this_engine_does_not_know(
    folder: Path, rewrite: Rewrite, tmp_path: Path
) -> None:
    wanted = rewrite(engine=Engine(format="fdm", version=9))
    found = verdict(folder, wanted, tmp_path / "w")
    assert (found.reason, found.file) == ("FormatMismatch", "v1/manifest.json")
    assert (found.expected, found.actual) == ("9", "1")
    assert "publish it anew" in found.message


@pytest.fixture
def replaced(folder: Path, rewrite: Rewrite) -> Callable[[bytes], PlannedModel]:
    """Put other bytes into the model file, with manifest and plan to match."""

    def put(data: bytes) -> PlannedModel:
        path = folder / "v1/model.fdm"
        path.write_bytes(data)
        sha256, size = sha256_file(path)
        manifest = manifests.decode((folder / "v1/manifest.json").read_bytes())
        model = msgspec.structs.replace(manifest.model_file, sha256=sha256, size=size)
        return rewrite(files=(model,))

    return put


def test_a_pickle_in_place_of_a_model_is_not_even_looked_into(
    folder: Path, replaced: Callable[[bytes], PlannedModel], tmp_path: Path
) -> None:
    wanted = replaced((folder / "v1/model.joblib").read_bytes())
    found = verdict(folder, wanted, tmp_path / "w")
    assert (found.reason, found.file) == ("LoadFailed", "v1/model.fdm")
    assert "publish the model anew with `fraud-scorer publish`" in found.message


@pytest.mark.parametrize("cut", [1, 64, 65, 200, -1])
def test_a_file_that_is_no_model(
    folder: Path, replaced: Callable[[bytes], PlannedModel], tmp_path: Path, cut: int
) -> None:
    found = verdict(folder, replaced((folder / "v1/model.fdm").read_bytes()[:cut]), tmp_path / "w")
    assert (found.reason, found.file) == ("LoadFailed", "v1/model.fdm")


def test_a_model_of_other_inputs(
    folder: Path, replaced: Callable[[bytes], PlannedModel], tmp_path: Path
) -> None:
    found = verdict(folder, replaced(compile_model(linear(), NUMBERS)), tmp_path / "w")
    assert (found.reason, found.file) == ("LoadFailed", "v1/model.fdm")
    assert "it takes number 'a' where the manifest has number 'amount'" in found.message


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


def test_files_that_were_fetched_are_proven_as_the_plan_says(
    folder: Path, rewrite: Rewrite
) -> None:
    """With the tolerance of the verification that accepted them, and not another."""
    manifest = manifests.decode((folder / "v1/manifest.json").read_bytes())
    golden = tuple(
        msgspec.structs.replace(one, score=one.score * (1 - 1e-7)) for one in manifest.golden
    )
    wanted = rewrite(golden=golden)
    files = folder / "v1/manifest.json", folder / "v1/model.fdm"
    with pytest.raises(Refused) as caught:
        open_fetched(wanted, *files)
    assert caught.value.verdict.reason == "GoldenMismatch"
    tolerant = msgspec.structs.replace(wanted, golden_tolerance=1e-6)
    assert open_fetched(tolerant, *files).revision == wanted.revision


def test_files_that_are_not_what_was_fetched_are_no_verdict(
    folder: Path, wanted: PlannedModel
) -> None:
    files = folder / "v1/manifest.json", folder / "v1/model.fdm"
    files[1].write_bytes(b"something else")
    with pytest.raises(DigestMismatch):
        open_fetched(wanted, *files)
