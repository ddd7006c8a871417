"""Looking for a transaction in the archive, for what Postgres does not keep any more.

There is no index: whoever looks says about when it was. Chains are named by the time at which they
began, and seals say from when to when their segment is, so that no others are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import msgspec

from fraud_scorer.artifact.store import FileMissing
from fraud_scorer.ledger import archive as archives
from fraud_scorer.ledger import vault
from fraud_scorer.ledger.archive import Archive, SegmentName
from fraud_scorer.ledger.chain import began_at
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.entries import (
    SALT_BYTES,
    Answered,
    Shadowed,
    decode,
    decode_personal,
)
from fraud_scorer.ledger.lookups import Answer, log
from fraud_scorer.ledger.seals import Seal, Verifier

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer in the archive, whose personal data is still locked."""

    answer: Answer
    hash: bytes
    locked: vault.Locked | None


def transaction(
    connection: Connection,
    archive: Archive,
    verifier: Verifier,
    transaction_id: str,
    *,
    around: datetime,
    within: timedelta = DAY,
    principal: str,
) -> list[Answer]:
    """The answers to a transaction that were recorded `within` that of `around`. Raises what
    `search` does."""
    found = search(archive, verifier, transaction_id, around=around, within=within)
    return unlock(connection, found, transaction_id, principal=principal)


def search(
    archive: Archive, verifier: Verifier, transaction_id: str, *, around: datetime,
    within: timedelta = DAY,
) -> list[Found]:  # fmt: skip
    """Look, without Postgres. Raises StoreError, DamagedFile, and SealError for a segment that
    nobody vouches for."""
    found = []
    sought = msgspec.json.encode(transaction_id)  # as it stands in the entry
    for name, seal in _segments(archive, verifier, around - within, around + within):
        data = archive.segment(name)
        if sought not in data:
            continue
        for sequence, line in enumerate(archives.from_lines(data), start=seal.first):
            entry = decode(line.body)
            if isinstance(entry, Answered | Shadowed) and entry.transaction_id == transaction_id:
                answer = Answer(str(name.chain), sequence, entry)
                found.append(Found(answer, line.hash, _locked(archive, name, sequence)))
    return found


def unlock(
    connection: Connection, found: Sequence[Found], transaction_id: str, *, principal: str
) -> list[Answer]:
    """What was found, with what is personal where its person was not erased; logged."""
    with connection.transaction():
        answers = [
            msgspec.structs.replace(one.answer, personal=_personal(connection, one))
            for one in found
        ]
        log(connection, principal, "archived transaction", transaction_id, len(answers))
    return answers


def _segments(
    archive: Archive, verifier: Verifier, low: datetime, high: datetime
) -> Iterator[tuple[SegmentName, Seal]]:
    """Sealed segments with entries of that time, and their seals."""
    for chain, names in groupby(archive.sealed(), key=lambda name: name.chain):
        if began_at(chain) > high:
            continue
        for name in sorted(names, reverse=True):  # newest first: most chains ended long before
            seal = verifier.read(archive.seal(name))
            if seal.to_at < low:
                break
            if seal.from_at <= high:
                yield name, seal


def _locked(archive: Archive, name: SegmentName, sequence: int) -> vault.Locked | None:
    try:
        lines = vault.locked(archive.personal(name))
    except FileMissing:
        return None
    return next((line for line in lines if line.sequence == sequence), None)


def _personal(connection: Connection, found: Found) -> dict[str, Any] | None:
    if found.locked is None or (key := vault.key_of(connection, found.locked)) is None:
        return None
    beside = vault.unlock(found.locked, found.hash, key)
    if beside is None:
        return None
    known: dict[str, Any] = msgspec.to_builtins(decode_personal(beside[SALT_BYTES:]))
    return known
