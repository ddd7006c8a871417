"""What verifications say: proofs, refusals, and attempts that ended without a verdict.

Each attempt is heard once. After one that was inconclusive it is tried again, later each time;
after the last one a person is needed, or another manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec import structs

from fraud_operator.plan.release.ledger import ABOUT_VERSION, Ledger
from fraud_operator.plan.release.record import (
    MOST_ATTEMPTS,
    MOST_PROOFS,
    Attempt,
    Entry,
    Proof,
    Record,
)
from fraud_operator.plan.release.rules import FORMAT_VERSION, VerificationRules
from fraud_operator.plan.types import StoreVersion, StoreView, Verification
from fraud_scorer.artifact.digest import qualified
from fraud_scorer.artifact.verdict import Verdict, proof_key

MOST_FAILURES = 3
_FIRST_PAUSE = 15.0
_GROWTH = 4
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def moment(text: str) -> datetime:
    """The time that a record says; long ago where it says none, as somebody edited it by hand."""
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        return _LONG_AGO
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def stamped(now: datetime) -> str:
    """A time as the record holds it."""
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key_of(source: str, rules: VerificationRules) -> str:
    """What a verdict on this source is valid for."""
    return proof_key(source, format_version=FORMAT_VERSION, settings=rules.settings)


def exhausted(attempt: Attempt | None) -> bool:
    """Whether it is not tried again by itself."""
    return attempt is not None and attempt.failures >= MOST_FAILURES


def due_at(attempt: Attempt | None) -> datetime | None:
    """When it is to be tried again; None: now."""
    if attempt is None or not attempt.over or not attempt.failures:
        return None
    pause = _FIRST_PAUSE * _GROWTH ** (attempt.failures - 1)
    return moment(attempt.at) + timedelta(seconds=pause)


@dataclass(frozen=True, slots=True)
class Heard:
    """The record and the ledger with what was said, and what was new about it."""

    record: Record
    ledger: Ledger
    inconclusive: tuple[Attempt, ...] = ()


def hear(
    record: Record,
    ledger: Ledger,
    verifications: Iterable[Verification],
    store: StoreView,
    served: frozenset[str],
    rules: VerificationRules,
    now: datetime,
) -> Heard:
    """Take in what ended. `served` are digests that were proven, and served. Of several tries the
    last one counts, also where the record that knew so is lost: their Jobs are kept for a while."""
    heard = Heard(record, ledger)
    latest: dict[str, Verification] = {}
    for one in sorted(verifications, key=lambda one: one.attempt):
        latest[one.key] = one
    for one in latest.values():
        attempt = attempt_of(heard.record, one.key)
        if one.state == "Running" or (attempt and _is_old(one, attempt)):
            continue
        if one.key != key_of(one.source, rules):
            continue  # by rules that were others then: it is judged anew, by those of today
        if any(proof.key == one.key for proof in heard.record.proofs):
            continue
        published = _published(store, one)
        verdict = one.verdict if one.state == "Judged" else None
        if verdict is None or not _is_about(verdict, one, published):
            heard = _inconclusive(heard, one, verdict, attempt, now)
        elif verdict.outcome == "Refused":
            heard = _refused(heard, one, verdict, served, now)
        elif verdict.manifest is not None and verdict.model is not None:
            heard = _proven(heard, one, verdict, attempt, published, rules)
        else:
            heard = _inconclusive(heard, one, verdict, attempt, now)
    return heard


def attempt_of(record: Record, key: str) -> Attempt | None:
    """How far the verification with that key is."""
    return next((one for one in record.attempts if one.key == key), None)


def is_heard(record: Record, one: Verification) -> bool:
    """Whether the record would know it again."""
    attempt = attempt_of(record, one.key)
    return attempt is not None and _is_old(one, attempt)


def again(record: Record, keys: Iterable[str] | None = None) -> Record:
    """With these verifications (all, where none are given) to be tried from the beginning."""
    chosen = None if keys is None else set(keys)
    attempts = tuple(
        structs.replace(one, failures=0) if chosen is None or one.key in chosen else one
        for one in record.attempts
    )
    return structs.replace(record, attempts=attempts)


def forgotten(record: Record, digest: str, reason: str, message: str, now: datetime) -> Record:
    """Without the proofs of these bytes, which are to be judged, and stored, anew: a failure like
    one of verification, so that it is not tried for ever."""
    for proof in record.proofs:
        if proof.digest == digest:
            before = attempt_of(record, proof.key)
            failed = Attempt(
                key=proof.key,
                version=proof.version,
                number=before.number if before is not None else 1,
                failures=(before.failures if before is not None else 0) + 1,
                at=stamped(now),
                reason=reason,
                message=message,
                over=True,
            )
            record = _with_attempt(record, failed)
    return structs.replace(
        record, proofs=tuple(one for one in record.proofs if one.digest != digest)
    )


def pruned(record: Record, keys: frozenset[str]) -> Record:
    """Without attempts at what is not in the store any more."""
    return structs.replace(
        record, attempts=tuple(one for one in record.attempts if one.key in keys)
    )


def _is_old(one: Verification, attempt: Attempt) -> bool:
    return one.attempt < attempt.number or (one.attempt == attempt.number and attempt.over)


def _published(store: StoreView, one: Verification) -> StoreVersion | None:
    return next(
        (v for v in store.versions if v.version == one.version and v.source == one.source), None
    )


def _is_about(verdict: Verdict, one: Verification, published: StoreVersion | None) -> bool:
    """Whether it judged what it was to judge: a version may be overwritten in between."""
    bare = published is not None and published.bare is not None
    return verdict.version == one.version and (bare or verdict.source == one.source)


def _proven(
    heard: Heard,
    one: Verification,
    verdict: Verdict,
    attempt: Attempt | None,
    published: StoreVersion | None,
    rules: VerificationRules,
) -> Heard:
    assert verdict.manifest is not None and verdict.model is not None  # noqa: S101, PT018
    manifest = published.manifest if published is not None else None
    proof = Proof(
        key=one.key,
        source=one.source,
        version=one.version,
        digest=qualified(verdict.model.sha256),
        manifest=verdict.manifest,
        model=verdict.model,
        thresholds=manifest.thresholds if manifest is not None else None,
        published=published.published if published is not None else "",
        report=verdict.report,
        golden_tolerance=float(rules.golden_tolerance),
    )
    over = Attempt(
        key=one.key,
        version=one.version,
        number=one.attempt,
        failures=attempt.failures if attempt is not None else 0,
        at=attempt.at if attempt is not None else "",
        over=True,
    )
    record = _with_attempt(heard.record, over)
    record = structs.replace(record, proofs=(proof, *record.proofs)[:MOST_PROOFS])
    return Heard(record, heard.ledger, heard.inconclusive)


def _refused(
    heard: Heard, one: Verification, verdict: Verdict, served: frozenset[str], now: datetime
) -> Heard:
    digest = verdict.digest or qualified(verdict.source)
    entry = Entry(
        digest=digest,
        version=one.version,
        reason=verdict.reason,
        message=_described(verdict),
        since=stamped(now),
        source=one.source,
        about_version=verdict.reason in ABOUT_VERSION or digest in served,
    )
    record = _with_attempt(
        heard.record, Attempt(key=one.key, version=one.version, number=one.attempt, over=True)
    )
    return Heard(record, heard.ledger.refuse(entry), heard.inconclusive)


def _inconclusive(
    heard: Heard,
    one: Verification,
    verdict: Verdict | None,
    attempt: Attempt | None,
    now: datetime,
) -> Heard:
    changed = "it was overwritten while it was being verified"
    failed = Attempt(
        key=one.key,
        version=one.version,
        number=one.attempt,
        failures=(attempt.failures if attempt is not None else 0) + 1,
        at=stamped(now),
        reason="SourceChanged" if verdict is not None else one.reason or "NoVerdict",
        message=changed if verdict is not None else one.message,
        over=True,
    )
    record = _with_attempt(heard.record, failed)
    return Heard(record, heard.ledger, (*heard.inconclusive, failed))


def _with_attempt(record: Record, attempt: Attempt) -> Record:
    others = tuple(one for one in record.attempts if one.key != attempt.key)
    return structs.replace(record, attempts=(attempt, *others)[:MOST_ATTEMPTS])


def _described(verdict: Verdict) -> str:
    if not verdict.file or verdict.file in verdict.message:
        return verdict.message or verdict.reason
    compared = f"{verdict.file}: expected {verdict.expected}, found {verdict.actual}"
    return f"{compared}. {verdict.message}" if verdict.message else compared
