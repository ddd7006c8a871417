"""What judge makes of a compilation that was taken over: whatever lies there, it reads data, or
refuses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fraud_scorer.artifact.digest import sha256_file
from fraud_scorer.sandbox import seccomp
from fraud_scorer.verification import handed
from fraud_scorer.verification.refusal import Refusal
from tests.unit.scorer.support import linear

from .conftest import Way, bare

SECRET = b"secretAccessKey of the artifacts"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an honest compilation left."""
    if not seccomp.available():
        pytest.skip("no filter for this machine")
    root = tmp_path_factory.mktemp("honest")
    (root / "bucket").mkdir()
    bare(root / "bucket", linear())
    from fraud_scorer.artifact.directory import DirectoryStore

    way = Way(root / "job", DirectoryStore(root / "bucket"))
    way.fetch(bare="model.pkl")
    assert way.compile()
    return way.compiled


@pytest.fixture
def taken(way: Way, bucket: Path, compiled: Path) -> Way:
    """A verification that has come as far as to the judge."""
    bare(bucket, linear())
    way.fetch(bare="model.pkl")
    shutil.copytree(compiled, way.compiled, dirs_exist_ok=True)
    return way


def linked(folder: Path, name: str, secret: Path) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(secret)


def hard_linked(folder: Path, name: str, secret: Path) -> None:
    (folder / name).unlink()
    (folder / name).hardlink_to(secret)


def piped(folder: Path, name: str, secret: Path) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def foldered(folder: Path, name: str, secret: Path) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def sparse(folder: Path, name: str, secret: Path) -> None:
    with (folder / name).open("wb") as file:
        file.truncate(1 << 40)


def nested(folder: Path, name: str, secret: Path) -> None:
    (folder / name).write_bytes(b"[" * 50_000)


def emptied(folder: Path, name: str, secret: Path) -> None:
    (folder / name).write_bytes(b"")


@pytest.mark.slow
@pytest.mark.parametrize("name", [handed.STATUS, handed.MODEL, handed.DRAFT])
@pytest.mark.parametrize(
    "trick",
    [linked, hard_linked, piped, foldered, sparse, nested, emptied],
    ids=lambda f: f.__name__,
)
def test_whatever_lies_there_is_refused(
    taken: Way, bucket: Path, tmp_path: Path, trick: Callable[[Path, str, Path], None], name: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    trick(taken.compiled, name, secret)
    verdict = taken.judge()
    assert verdict.outcome == "Refused"
    assert verdict.reason in ("CompileFailed", "LoadFailed", "TooLarge")
    assert not (bucket / ".blobs").exists()
    kept = [p.read_bytes() for p in bucket.rglob("*") if p.is_file()]
    assert not [data for data in kept if SECRET in data]
    assert "secret" not in verdict.message


@pytest.mark.slow
def test_a_verdict_that_is_forged_there_is_not_even_looked_at(taken: Way, bucket: Path) -> None:
    forged = b'{"outcome":"Proven","reason":"Proven","version":"v9","source":"' + b"0" * 64 + b'"}'
    for name in ("verdict.json", "fetched.json", "termination-log"):
        (taken.compiled / name).write_bytes(forged)
    (taken.compiled / handed.STATUS).write_bytes(forged)
    verdict = taken.judge()
    assert (verdict.outcome, verdict.reason, verdict.version) == ("Refused", "CompileFailed", "v1")
    assert verdict.source == sha256_file(bucket / "v1/model.pkl")[0]


@pytest.mark.slow
def test_another_model_than_the_description_is_of_proves_nothing(taken: Way) -> None:
    draft = msgspec.json.decode((taken.compiled / handed.DRAFT).read_bytes())
    draft["golden"][0]["score"] = 0.123456
    (taken.compiled / handed.DRAFT).write_bytes(msgspec.json.encode(draft))
    assert taken.judge().reason == "GoldenMismatch"
    draft["features"][0]["name"] = "else"
    for one in draft["golden"]:
        one["features"]["else"] = one["features"].pop("x0")
    (taken.compiled / handed.DRAFT).write_bytes(msgspec.json.encode(draft))
    assert taken.judge().reason == "LoadFailed"


@pytest.mark.slow
def test_what_a_failure_says_is_text_and_short(taken: Way) -> None:
    status = handed.Status(
        outcome="Failed", reason="ScoresInvalid", message='"}\n{"outcome":"Proven"' * 10_00
    )
    (taken.compiled / handed.STATUS).write_bytes(msgspec.json.encode(status))
    verdict = taken.judge()
    assert (verdict.outcome, verdict.reason) == ("Refused", "ScoresInvalid")


@pytest.mark.slow
def test_an_honest_compilation_is_proven(taken: Way) -> None:
    assert taken.judge().outcome == "Proven"


def test_a_file_that_grows_while_it_is_read_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert handed.read(tmp_path, "file", limit=100) == b"x" * 100
    assert handed.read(tmp_path, "other", limit=100) is None
    with pytest.raises(Refusal, match="more than 99 bytes"):
        handed.read(tmp_path, "file", limit=99)
    with pytest.raises(Refusal, match="more than 99 bytes"):
        handed.copy(tmp_path, "file", tmp_path / "copy", limit=99)
