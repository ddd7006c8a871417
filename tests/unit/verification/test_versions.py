"""A published version before the judge: what is proven, and each way of being refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import joblib
import msgspec
import pytest

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.digest import sha256_file, sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import Bins, Engine, Feature, Golden, Reference
from fraud_scorer.artifact.plan import as_revision
from fraud_scorer.artifact.store import StoreUnreachable
from fraud_scorer.artifact.verdict import MAX_BYTES, Verdict, VerificationReason, decode, encode
from fraud_scorer.registry.load import load
from fraud_scorer.verification.patience import Patience
from fraud_scorer.verification.refusal import Undecided
from tests.unit.scorer.support import GOLDEN, THRESHOLDS, classifier, publish_to

from .conftest import KEY, Way, manifest_of, refile, rewrite

Ways = Callable[[], Way]


@pytest.mark.usefixtures("version")
def test_a_good_version_is_proven_and_kept_by_digest(
    way: Way, bucket: Path, tmp_path: Path
) -> None:
    verdict = way.all()
    assert (verdict.outcome, verdict.reason, verdict.version) == ("Proven", "Proven", "v1")
    assert verdict.source == sha256_file(bucket / "v1/manifest.json")[0]
    assert verdict.digest == manifest_of(bucket / "v1").digest
    assert verdict.manifest is not None
    assert verdict.model is not None
    for ref in (verdict.manifest, verdict.model):
        assert ref.path == layout.blob(ref.sha256)
        assert sha256_hex((bucket / ref.path).read_bytes()) == ref.sha256
    # What the operator makes of it is what a scorer can load, with the version's folder gone.
    wanted = as_revision(
        version="v1",
        digest=verdict.digest,
        manifest=verdict.manifest,
        model=verdict.model,
        thresholds=THRESHOLDS,
        reasons=4,
    )
    again = msgspec.json.decode(msgspec.json.encode(wanted), type=type(wanted))
    for file in (bucket / "v1").iterdir():
        file.unlink()
    (tmp_path / "pod").mkdir()
    loaded = load(DirectoryStore(bucket), again, again.revision, tmp_path / "pod")
    assert loaded.digest == verdict.digest


@pytest.mark.usefixtures("version")
def test_only_the_model_is_fetched_of_a_version_that_needs_no_compiling(way: Way) -> None:
    assert way.fetch() is None
    files = {str(p.relative_to(way.folder.root)) for p in way.folder.root.rglob("*") if p.is_file()}
    assert files == {"fetched.json", "store/v1/manifest.json", "store/v1/model.fdm"}
    assert way.compile() is False
    assert list(way.compiled.iterdir()) == []


@pytest.mark.usefixtures("version")
def test_what_is_kept_already_is_kept_once(another_way: Ways, bucket: Path) -> None:
    first = another_way().all()
    stamps = {p: p.stat().st_mtime_ns for p in (bucket / ".blobs/sha256").iterdir()}
    assert another_way().all() == first
    assert {p: p.stat().st_mtime_ns for p in (bucket / ".blobs/sha256").iterdir()} == stamps
    assert len(stamps) == 2


@pytest.mark.usefixtures("version")
def test_a_damaged_blob_is_repaired_before_a_verdict_names_it(
    another_way: Ways, bucket: Path
) -> None:
    model = another_way().all().model
    assert model is not None
    (bucket / model.path).write_bytes(b"damaged")
    assert another_way().all().outcome == "Proven"
    assert sha256_hex((bucket / model.path).read_bytes()) == model.sha256


@pytest.mark.usefixtures("version")
def test_proven_bytes_go_to_another_store_where_one_is_given(tmp_path: Path, bucket: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    way = Way(tmp_path / "job", DirectoryStore(bucket), DirectoryStore(tmp_path / "artifacts"))
    verdict = way.all()
    assert verdict.model is not None
    assert (tmp_path / "artifacts" / verdict.model.path).exists()
    assert (tmp_path / "artifacts" / verdict.report).exists()
    assert [one.name for one in bucket.iterdir()] == ["v1"]


def truncated(folder: Path) -> None:
    (folder / "model.fdm").write_bytes((folder / "model.fdm").read_bytes()[:-10])


def flipped(folder: Path) -> None:
    data = bytearray((folder / "model.fdm").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.fdm").write_bytes(data)


def lengthened(folder: Path) -> None:
    with (folder / "model.fdm").open("ab") as file:
        file.write(b"more")


def misnamed(folder: Path) -> None:
    files = tuple(
        msgspec.structs.replace(one, sha256="1" * 64) for one in manifest_of(folder).files
    )
    rewrite(folder, files=files)


def deleted(folder: Path) -> None:
    (folder / "model.fdm").unlink()


def nonsense(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"schemaVersion": 1')


def renamed(folder: Path) -> None:
    rewrite(folder, version="v2")


def uncompiled(folder: Path) -> None:
    (folder / "model.fdm").write_bytes(b"this is no compiled model" * 10)
    refile(folder)


def bit_in_the_content(folder: Path) -> None:
    """The manifest names the damaged bytes: only the engine can tell."""
    flipped(folder)
    refile(folder)


def other_features(folder: Path) -> None:
    found = manifest_of(folder)
    features = (Feature(name="sum", type="number", minimum=0), *found.features[1:])
    golden = tuple(
        Golden(
            features={("sum" if k == "amount" else k): v for k, v in one.features.items()},
            score=one.score,
        )
        for one in found.golden
    )
    rewrite(folder, features=features, golden=golden)


def other_score(folder: Path) -> None:
    first, *others = manifest_of(folder).golden
    rewrite(folder, golden=(msgspec.structs.replace(first, score=first.score / 2), *others))


def unknown_format(folder: Path) -> None:
    found = manifest_of(folder)
    files = tuple(one for one in found.files if one.role == "model")
    rewrite(folder, engine=Engine(format="fdm", version=2), files=files)


@pytest.mark.parametrize(
    ("damage", "reason", "said"),
    [
        (truncated, "DigestMismatch", "v1/model.fdm"),
        (flipped, "DigestMismatch", "v1/model.fdm"),
        (lengthened, "DigestMismatch", "longer than that"),
        (misnamed, "DigestMismatch", "1111"),
        (deleted, "FileMissing", "never uploaded"),
        (nonsense, "ManifestInvalid", "not JSON"),
        (renamed, "ManifestInvalid", "lies in the folder"),
        (uncompiled, "LoadFailed", "no compiled model"),
        (bit_in_the_content, "LoadFailed", "no compiled model"),
        (other_features, "LoadFailed", "number 'sum'"),
        (other_score, "GoldenMismatch", "golden transaction 0"),
        (unknown_format, "FormatMismatch", "version 2 of the format"),
    ],
)
def test_a_bad_version_is_refused(
    way: Way, version: Path, damage: Callable[[Path], None], reason: str, said: str
) -> None:
    damage(version)
    source = sha256_hex((version / "manifest.json").read_bytes())
    verdict = way.all()
    assert (verdict.outcome, verdict.reason, verdict.source) == ("Refused", reason, source)
    assert said in verdict.message
    assert (verdict.manifest, verdict.model) == (None, None)
    assert not (version.parent / ".blobs").exists()
    assert len(encode(verdict)) <= MAX_BYTES
    report = json.loads((version.parent / layout.proof(KEY)).read_bytes())
    assert (report["outcome"], report["reason"]) == ("Refused", reason)
    assert verdict.report == layout.proof_page(KEY)


def test_more_bytes_than_allowed_are_not_even_fetched(way: Way, version: Path) -> None:
    verdict = way.fetch(most=1000)
    assert verdict is not None
    assert verdict.reason == "TooLarge"
    assert not way.folder.file("v1/model.fdm").exists()
    assert way.judge().reason == "TooLarge"


def test_a_golden_score_may_be_off_by_what_is_tolerated(another_way: Ways, version: Path) -> None:
    found = manifest_of(version)
    golden = tuple(msgspec.structs.replace(one, score=one.score + 1e-6) for one in found.golden)
    rewrite(version, golden=golden)
    assert another_way().all().reason == "GoldenMismatch"
    assert another_way().all(golden_tolerance=1e-5).outcome == "Proven"


@pytest.mark.slow
def test_another_format_is_compiled_anew_from_what_was_published_with_it(
    way: Way, version: Path
) -> None:
    (version / "model.fdm").write_bytes(b"of another release")
    refile(version)
    source = rewrite(version, engine=Engine(format="fdm", version=2))
    verdict = way.all()
    assert (verdict.outcome, verdict.source) == ("Proven", source)
    assert verdict.model is not None
    assert verdict.manifest is not None
    assert verdict.model.sha256 != manifest_of(version).model_file.sha256
    kept = msgspec.json.decode((version.parent / verdict.manifest.path).read_bytes())
    assert kept["engine"]["version"] == 1
    assert kept["golden"] == msgspec.json.decode((version / "manifest.json").read_bytes())["golden"]


def test_what_was_to_be_compiled_and_was_not_is_not_judged(way: Way, version: Path) -> None:
    rewrite(version, engine=Engine(format="fdm", version=2))
    way.fetch()
    with pytest.raises(Undecided, match="no word about it"):
        way.judge()


def test_another_version_than_was_found_is_not_judged(way: Way, version: Path) -> None:
    with pytest.raises(Undecided, match="written again since it was found") as caught:
        way.fetch(source="1" * 64)
    assert caught.value.reason == "SourceChanged"
    (version / "manifest.json").unlink()
    with pytest.raises(Undecided, match="deleted since it was found"):
        way.fetch()


class Flaky(DirectoryStore):
    """A store that is away a few times, or damages the first read of a file."""

    def __init__(self, root: Path, *, away: int = 0, damaged: int = 0) -> None:
        super().__init__(root)
        self.away, self.damaged = away, damaged

    def open(self, path: str) -> Iterator[bytes]:
        if self.away:
            self.away -= 1
            raise StoreUnreachable("the store has gone for a walk")
        for chunk in super().open(path):
            if self.damaged:
                self.damaged -= 1
                yield b"!" + chunk[1:]
            else:
                yield chunk


@pytest.mark.usefixtures("version")
def test_a_store_that_is_away_is_no_verdict(way: Way, bucket: Path) -> None:
    way.store = Flaky(bucket, away=1)
    with pytest.raises(StoreUnreachable):
        way.fetch()
    assert not (way.folder.root / "fetched.json").exists()
    assert not (way.folder.root / "verdict.json").exists()
    way.store = DirectoryStore(bucket)
    way.fetch()
    way.artifacts = Flaky(bucket, away=1)
    with pytest.raises(StoreUnreachable):
        way.judge()


@pytest.mark.usefixtures("version")
def test_a_connection_that_damaged_a_file_once_is_no_verdict(way: Way, bucket: Path) -> None:
    way.store = Flaky(bucket, damaged=1)
    assert way.fetch() is None
    assert way.judge().outcome == "Proven"


def test_patience_is_for_a_while_and_for_the_store_alone() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    answers: Iterator[object] = iter([StoreUnreachable("away")] * 3 + ["here"])

    def ask() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    patient = Patience(60, clock=lambda: now[0], sleep=sleep)
    assert patient.ask(ask) == "here"
    assert slept == [0.5, 1.0, 2.0]

    def never() -> object:
        raise StoreUnreachable("away")

    with pytest.raises(StoreUnreachable):
        patient.ask(never)
    assert now[0] <= 60

    def wrong() -> object:
        slept.clear()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 -- which one is all that matters
        patient.ask(wrong)
    assert slept == []


@pytest.mark.usefixtures("version")
def test_a_report_that_cannot_be_stored_changes_no_verdict(way: Way, bucket: Path) -> None:
    (bucket / ".proofs").write_text("a file where the folder should be")
    verdict = way.all()
    assert (verdict.outcome, verdict.report) == ("Proven", "")


@pytest.mark.slow
def test_features_without_a_distribution_are_tried_with_golden_values(
    another_way: Ways, bucket: Path
) -> None:
    publish_to(bucket, "v2", reference=[*GOLDEN, GOLDEN[0]], golden=GOLDEN)
    assert another_way().all("v2").outcome == "Proven"
    folder = bucket / "v2"
    found = manifest_of(folder).reference
    assert found is not None
    rewrite(folder, reference=Reference(features={}, score=Bins(edges=(0.0, 1.0), shares=(1.0,))))
    assert another_way().all("v2").outcome == "Proven"


def test_a_verdict_fits_its_message_whatever_is_in_it() -> None:
    verdict = Verdict(
        outcome="Refused",
        reason="CompileFailed",
        version="v" * 128,
        source="a" * 64,
        digest="sha256:" + "b" * 64,
        file='"\\' * 2000,
        expected="é\x00" * 4000,
        actual="\U0001f600" * 4000,
        message="\n\u2028" * 9000,
    )
    data = encode(verdict)
    assert len(data) <= MAX_BYTES
    assert decode(data).reason == "CompileFailed"


@pytest.mark.parametrize(
    "said", [b"", b"no JSON", b'{"reason": "StoreUnreachable", "message": "away"}', b"[" * 100_000]
)
def test_what_is_no_verdict_is_not_taken_for_one(said: bytes) -> None:
    with pytest.raises(ValueError, match="not a verdict"):
        decode(said)


@pytest.mark.usefixtures("version")
def test_the_source_is_never_unpickled_by_fetch_and_judge(
    way: Way, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a model file was run")

    monkeypatch.setattr(joblib, "load", refuse)
    way.fetch()
    assert way.judge().outcome == "Proven"
    assert classifier() is not None


def test_the_guide_explains_every_reason() -> None:
    text = (Path(__file__).parents[3] / "docs/verification.md").read_text()
    reasons = set(get_args(VerificationReason)) - {"Proven"}
    assert {one for one in reasons if f"| `{one}` |" not in text} == set()
