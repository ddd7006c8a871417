"""The third program: whether a version may be served, and if so its bytes by digest.

Trusted code that sees data only: no scikit-learn, no joblib, nothing that runs what it reads. A
verdict is about the bytes; whatever is in the way of finding out raises instead.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fraud_scorer.artifact.blobs import keep
from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import FileRef, Thresholds
from fraud_scorer.artifact.plan import GOLDEN_TOLERANCE, ManifestRef, PlannedModel, as_revision
from fraud_scorer.artifact.store import Store, StoreError
from fraud_scorer.artifact.verdict import Verdict
from fraud_scorer.registry.load import load
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.refusal import Refused
from fraud_scorer.registry.source import USUAL_THRESHOLDS
from fraud_scorer.verification import checks, compare, inputs, page, sample
from fraud_scorer.verification.fetched import SIGNATURE_SUFFIX, Fetched, Folder
from fraud_scorer.verification.findings import Checklist, Findings, Other, Shape
from fraud_scorer.verification.keeping import keep_report
from fraud_scorer.verification.patience import Patience
from fraud_scorer.verification.prepared import Prepared, prepare
from fraud_scorer.verification.refusal import Refusal
from fraud_scorer.verification.signature import Keys


@dataclass(frozen=True, slots=True)
class Rules:
    """What a version is held to, and what it is compared with. `model` is what a bare version's
    model is called; `thresholds` win over the manifest's own, as they do in the plan."""

    proof_key: str
    model: str
    keys: Keys | None = None
    golden_tolerance: float = GOLDEN_TOLERANCE
    most_milliseconds: float | None = None
    thresholds: Thresholds | None = None
    active: PlannedModel | None = None
    allow_input_changes: bool = False
    """Whether callers were changed, so that it may take other inputs than the active one."""


class Judge:
    """One version before one judge. `workspace` is an empty folder of its own."""

    def __init__(
        self,
        fetched: Folder,
        compiled: Path,
        artifacts: Store,
        rules: Rules,
        workspace: Path,
        patience: Patience,
    ) -> None:
        self._fetched, self._compiled, self._workspace = fetched, compiled, workspace
        self._artifacts, self._rules, self._patience = artifacts, rules, patience
        self._checklist = Checklist()
        self._found: dict[str, object] = {}  # of the report, as it comes

    def verdict(self) -> Verdict:
        """The verdict. Raises Unavailable and Undecided where there can be none now."""
        early = self._fetched.verdict()
        if early is not None:
            return self._told(early)
        record = self._fetched.record()
        try:
            verdict = self._proven(record)
        except Refusal as refusal:
            verdict = Verdict(
                outcome="Refused",
                version=record.version,
                source=record.source,
                digest=str(self._found.get("digest", "")),
                **refusal.details,
            )
        return self._told(verdict)

    def _proven(self, record: Fetched) -> Verdict:
        """The steps, in their order. Raises Refusal at the first that fails."""
        self._check_signature(record)
        with self._checklist.making("files") as said:
            version = prepare(
                self._fetched,
                record,
                self._compiled,
                self._workspace,
                name=self._rules.model,
            )
            said.append(f"compiled anew from {record.compiles}" if record.compiles else "")
        loaded = self._load(version)
        self._found["shape"] = _shape(loaded, self._thresholds(version))
        active = self._active()
        self._check_inputs(version, active)
        self._try(loaded, version, active)
        manifest, model = self._keep(version)
        return Verdict(
            outcome="Proven",
            reason="Proven",
            version=record.version,
            source=record.source,
            digest=loaded.digest,
            manifest=manifest,
            model=model,
        )

    def _check_signature(self, record: Fetched) -> None:
        if self._rules.keys is None:
            self._checklist.skip("signature", "the detector asks for none")
            return
        with self._checklist.making("signature"):
            self._rules.keys.require(
                self._fetched.file(record.signed),
                self._fetched.file(record.signed + SIGNATURE_SUFFIX),
                name=record.signed,
            )

    def _load(self, version: Prepared) -> LoadedModel:
        """The model, opened and proven by its golden transactions, as any scorer does it."""
        manifest = version.manifest
        self._found |= {
            "model": manifest.model,
            "digest": manifest.digest,
            "created_at": manifest.created_at.isoformat(timespec="seconds"),
        }
        wanted = as_revision(
            version=manifest.version,
            digest=manifest.digest,
            manifest=ManifestRef(path=version.manifest_path, sha256=version.manifest_sha256),
            model=_at(manifest.model_file, version.model_path),
            thresholds=self._thresholds(version) or USUAL_THRESHOLDS,
            reasons=0,
        )
        place = self._workspace / "model"
        place.mkdir()
        tolerance = self._rules.golden_tolerance
        store = DirectoryStore(version.root)
        try:
            loaded = load(store, wanted, wanted.revision, place, tolerance=tolerance)
        except Refused as refused:
            raise self._failed(refused) from refused
        with self._checklist.making("load"):
            pass
        with self._checklist.making("golden") as said:
            worst = checks.worst_difference(loaded.model, manifest)
            said.append(f"{len(manifest.golden)} of them, at most {worst:.2g} off")
        return loaded

    def _failed(self, refused: Refused) -> Refusal:
        """The same refusal, noted at the check that it belongs to."""
        found = refused.verdict
        refusal = Refusal(
            found.reason,
            found.message,
            file=found.file,
            expected=found.expected,
            actual=found.actual,
        )
        name = {"DigestMismatch": "files", "FileMissing": "files", "GoldenMismatch": "golden"}
        if found.reason == "GoldenMismatch":
            with self._checklist.making("load"):
                pass
        try:
            with self._checklist.making(name.get(found.reason, "load")):
                raise refusal
        except Refusal:
            return refusal

    def _check_inputs(self, version: Prepared, active: compare.Side | None) -> None:
        if active is None:
            gone = self._rules.active is not None
            why = "the version that serves cannot be had" if gone else "no version serves yet"
            self._checklist.skip("inputs", why)
        elif self._rules.allow_input_changes:
            self._checklist.skip("inputs", "the detector allows other inputs")
        else:
            with self._checklist.making("inputs"):
                inputs.require_same(version.manifest, active.manifest)

    def _try(self, loaded: LoadedModel, version: Prepared, active: compare.Side | None) -> None:
        """Speed and scores of sampled transactions; and the same beside the active version."""
        also = active.manifest if active else None
        rows = sample.transactions(version.manifest, checks.MOST_ROWS, also=also)
        with self._checklist.making("speed") as said:
            taken = checks.milliseconds(loaded.model, rows)
            said.append(f"{taken:.3g} ms of CPU time in the median")
            checks.require_speed(taken, self._rules.most_milliseconds)
        rows = rows[: checks.affordable(taken)]
        with self._checklist.making("scores") as said:
            scores = checks.scores(loaded.model, version.manifest, rows)
            said.append(f"{len(rows)} of them, from {min(scores):.4f} to {max(scores):.4f}")
        candidate = compare.Side(loaded.model, version.manifest, self._thresholds(version))
        tried = compare.trial(candidate, active, rows, scores)
        self._found |= {
            "scores": compare.scores(candidate, tried),
            "decisions": compare.decisions(candidate, active, tried),
            "labelled": compare.labelled(candidate, active),
            "moved": compare.moved(version.manifest, active.manifest) if active else (),
        }

    def _active(self) -> compare.Side | None:
        """The version that serves now. That its bytes are gone is no fault of the one judged; a
        store that is away is waited for. Raises Unavailable."""
        wanted = self._rules.active
        if wanted is None:
            return None
        other = Other(version=wanted.version, digest=wanted.digest, thresholds=wanted.thresholds)

        def fetched() -> LoadedModel:
            place = Path(tempfile.mkdtemp(prefix="active-", dir=self._workspace))
            return load(self._artifacts, wanted, wanted.revision, place)

        try:
            loaded = self._patience.ask(fetched)
        except Refused as error:
            missing = f"it cannot be had: {error}"
            self._found["active"] = msgspec.structs.replace(other, missing=missing)
            return None
        self._found["active"] = other
        return compare.Side(loaded.model, loaded.manifest, wanted.thresholds)

    def _keep(self, version: Prepared) -> tuple[ManifestRef, FileRef]:
        """Manifest and model by their digests in the store of artifacts."""
        store, model = DirectoryStore(version.root), version.manifest.model_file
        manifest_file = store.root / version.manifest_path
        model_file = store.root / version.model_path
        with self._checklist.making("kept"):
            at = self._patience.ask(lambda: keep(self._artifacts, model_file, model.sha256))
            sha256 = version.manifest_sha256
            described = self._patience.ask(lambda: keep(self._artifacts, manifest_file, sha256))
        return ManifestRef(path=described, sha256=sha256), _at(model, at)

    def _thresholds(self, version: Prepared) -> Thresholds | None:
        return self._rules.thresholds or version.manifest.thresholds

    def _told(self, verdict: Verdict) -> Verdict:
        """The verdict with the report about it, which is stored if the store takes it."""
        findings = Findings(
            schema_version=1,
            outcome=verdict.outcome,
            reason=verdict.reason,
            message=verdict.message,
            version=verdict.version,
            source=verdict.source,
            checks=self._checklist.made,
            **self._found,  # type: ignore[arg-type]
        )
        data, html = canonical_json(findings), page.render(findings)
        key = self._rules.proof_key
        try:
            at = self._patience.ask(lambda: keep_report(self._artifacts, key, data, html))
        except StoreError:
            return verdict
        return msgspec.structs.replace(verdict, report=at)


def _at(file: FileRef, path: str) -> FileRef:
    return msgspec.structs.replace(file, path=path)


def _shape(loaded: LoadedModel, thresholds: Thresholds | None) -> Shape:
    manifest, header = loaded.manifest, loaded.model.header
    return Shape(
        framework=f"{manifest.framework.name} {manifest.framework.version}",
        exactness=header.exactness,
        bytes=manifest.model_file.size,
        inputs=len(manifest.features),
        trees=header.trees,
        nodes=header.nodes,
        reasons=loaded.model.explains,
        thresholds=thresholds,
    )
