"""Which version spec and store want, and which is to be verified for that.

The newest proven version wins, or the pinned one. Without a pin nothing older than what serves is
ever wanted: a version that was deleted, damaged or overwritten while it serves goes on serving from
the bytes that were proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from fraud_operator.plan.release import verifications
from fraud_operator.plan.release.decision import SeenVersion, WantedVerification
from fraud_operator.plan.release.ledger import Ledger
from fraud_operator.plan.release.record import Attempt, Entry, Proof, Record
from fraud_operator.plan.release.rules import VerificationRules
from fraud_operator.plan.types import StoreVersion
from fraud_scorer.artifact.manifest import Thresholds, version_key
from fraud_scorer.artifact.plan import MOST_REASONS, PlannedModel, as_revision


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the spec says of thresholds and reasons; a revision is a version with these."""

    thresholds: Thresholds | None
    """None: the version's own."""
    default: Thresholds
    reasons: int = MOST_REASONS

    def revision(self, proof: Proof) -> PlannedModel:
        """The revision of a proven version."""
        made = as_revision(
            version=proof.version,
            digest=proof.digest,
            manifest=proof.manifest,
            model=proof.model,
            thresholds=self.thresholds or proof.thresholds or self.default,
            reasons=self.reasons,
        )
        return structs.replace(made, golden_tolerance=proof.golden_tolerance)

    def again(self, model: PlannedModel, proof: Proof | None) -> PlannedModel:
        """A revision that is known already, as the spec says now."""
        own = (proof.thresholds or self.default) if proof is not None else model.thresholds
        made = as_revision(
            version=model.version,
            digest=model.digest,
            manifest=model.manifest,
            model=model.model,
            thresholds=self.thresholds or own,
            reasons=self.reasons,
        )
        return structs.replace(made, golden_tolerance=model.golden_tolerance)


def is_same_model(one: PlannedModel | Proof, other: PlannedModel) -> bool:
    """Whether both differ in thresholds and reasons at the most; of a proof: whether it is its."""
    return one.digest == other.digest and one.manifest.sha256 == other.manifest.sha256


def proof_of(record: Record, model: PlannedModel) -> Proof | None:
    """The proof that a revision came from."""
    return next((one for one in record.proofs if is_same_model(one, model)), None)


def source_of(record: Record, model: PlannedModel) -> str:
    """What a revision was published as."""
    proof = proof_of(record, model)
    return proof.source if proof is not None else model.manifest.sha256


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted: None where nothing that the store has can be had yet."""

    wanted: PlannedModel | None
    verify: WantedVerification | None
    due: datetime | None
    """When the next verification is to be tried again."""
    seen: tuple[SeenVersion, ...]
    """Every version of the store, as far as that is known without the plan."""
    passed_over: tuple[SeenVersion, ...]
    """Those that were wanted before the chosen one and cannot be had."""


def choose(
    versions: Sequence[StoreVersion],
    record: Record,
    ledger: Ledger,
    known: Sequence[PlannedModel],
    scoring: Scoring,
    rules: VerificationRules,
    *,
    pinned: str,
    active: PlannedModel | None,
    now: datetime,
) -> Choice:
    """Walk through the versions, the most wanted first, to the first that is proven. `known` are
    revisions that were planned before, for a pinned version that the store has no more."""
    walk = _Walk(record, ledger, known, rules, active, now)
    seen: list[SeenVersion] = []
    passed: list[SeenVersion] = []
    chosen: Proof | None = None
    verify: WantedVerification | None = None
    due: datetime | None = None
    for one in versions:
        state, proof = walk.look(one)
        concerned = chosen is None and pinned in ("", one.version)
        if concerned and not pinned and (not one.source or walk.is_older(one)):
            concerned = False
        if concerned and state.state == "Proven":
            chosen = proof
        elif concerned:
            wanted = walk.verification(one) if state.state == "Discovered" else None
            later = verifications.due_at(walk.attempt(one)) if wanted is not None else None
            if wanted is not None and verify is None and (later is None or later <= now):
                verify = wanted
                state = walk.verifying(one)
            elif wanted is not None and later is not None:
                due = min(due or later, later)
            passed.append(state)
        seen.append(state)
    if not pinned:
        passed += walk.damaged(versions, chosen)
    model = scoring.revision(chosen) if chosen is not None else None
    published = any(one.version == pinned and one.source for one in versions)
    serves = active is not None and active.version == pinned
    if model is None and pinned and (serves or not published):
        model = walk.pinned(pinned, scoring)
    if model is None and active is not None and not pinned:
        model = scoring.again(active, proof_of(record, active))
    return Choice(model, verify, due, tuple(seen), tuple(passed))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Everything that the look at one version needs."""

    record: Record
    ledger: Ledger
    known: Sequence[PlannedModel]
    rules: VerificationRules
    active: PlannedModel | None
    now: datetime

    def look(self, one: StoreVersion) -> tuple[SeenVersion, Proof | None]:
        """What is known of it."""
        digest = one.manifest.digest if one.manifest is not None else ""
        if not one.source:
            return SeenVersion(one.version, "Damaged", message=one.problem), None
        proof = self.proof(one)
        digest = proof.digest if proof is not None else digest
        if entry := self.ledger.forbids(one.version, digest, one.source):
            return refused(one.version, entry), None
        if proof is not None:
            return SeenVersion(one.version, "Proven", digest, report=proof.report), proof
        attempt = self.attempt(one)
        if verifications.exhausted(attempt) and attempt is not None:
            return SeenVersion(
                one.version, "Inconclusive", digest, attempt.reason, attempt.message
            ), None
        return SeenVersion(one.version, "Discovered", digest), None

    def proof(self, one: StoreVersion) -> Proof | None:
        """Its proof under today's rules; what is planned already needs no other."""
        key = verifications.key_of(one.source, self.rules)
        for proof in self.record.proofs:
            if proof.source == one.source and (proof.key == key or self._is_planned(proof)):
                return proof
        for model in self.known:
            if model.version == one.version and model.manifest.sha256 == one.source:
                return Proof(
                    key=key,
                    source=one.source,
                    version=one.version,
                    digest=model.digest,
                    manifest=model.manifest,
                    model=model.model,
                    thresholds=one.manifest.thresholds if one.manifest is not None else None,
                    published=one.published,
                    golden_tolerance=model.golden_tolerance,
                )
        return None

    def attempt(self, one: StoreVersion) -> Attempt | None:
        return verifications.attempt_of(self.record, verifications.key_of(one.source, self.rules))

    def verification(self, one: StoreVersion) -> WantedVerification:
        """The next attempt at it, or the one that is under way."""
        attempt = self.attempt(one)
        number = 1 if attempt is None else attempt.number + attempt.over
        return WantedVerification(
            version=one.version,
            source=one.source,
            key=verifications.key_of(one.source, self.rules),
            attempt=number,
            bare=one.bare is not None,
        )

    def verifying(self, one: StoreVersion) -> SeenVersion:
        attempt = self.attempt(one)
        digest = one.manifest.digest if one.manifest is not None else ""
        return SeenVersion(
            one.version,
            "Verifying",
            digest,
            attempt.reason if attempt is not None else "",
            attempt.message if attempt is not None else "",
        )

    def is_older(self, one: StoreVersion) -> bool:
        """Whether it was published before what serves, under another name."""
        if self.active is None or one.version == self.active.version:
            return False
        proof = proof_of(self.record, self.active)
        published = proof.published if proof is not None else ""
        return not _is_newer(one, published, self.active.version)

    def damaged(
        self, versions: Iterable[StoreVersion], chosen: Proof | None
    ) -> Iterator[SeenVersion]:
        """Versions without a usable manifest that are newer by name, as nothing else is known of
        them."""
        serves = self.active.version if self.active is not None else ""
        best = chosen.version if chosen is not None else serves
        for one in versions:
            if not one.source and version_key(one.version) > version_key(best):
                yield self.look(one)[0]

    def pinned(self, version: str, scoring: Scoring) -> PlannedModel | None:
        """What was proven under that name before, where the store has it no more."""
        proofs = [one for one in self.record.proofs if one.version == version]
        models = [one for one in self.known if one.version == version]
        revisions = [
            *(scoring.again(one, proof_of(self.record, one)) for one in models),
            *(scoring.revision(one) for one in proofs),
        ]
        for model in revisions:
            source = source_of(self.record, model)
            if self.ledger.forbids(version, model.digest, source) is None:
                return model
        return None

    def _is_planned(self, proof: Proof) -> bool:
        return any(is_same_model(proof, one) for one in self.known)


def refused(version: str, entry: Entry) -> SeenVersion:
    """A version that is in quarantine."""
    return SeenVersion(version, "Quarantined", entry.digest, entry.reason, entry.message)


def keys_of(versions: Iterable[StoreVersion], rules: VerificationRules) -> frozenset[str]:
    """The proof keys of everything that is published."""
    return frozenset(verifications.key_of(one.source, rules) for one in versions if one.source)


def _is_newer(one: StoreVersion, published: str, version: str) -> bool:
    if one.published and published and one.published != published:
        return verifications.moment(one.published) > verifications.moment(published)
    return version_key(one.version) > version_key(version)
