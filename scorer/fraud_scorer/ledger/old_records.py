"""Looking for a transaction in the archive, for what Postgres does not keep any more.

There is no index: whoever looks says about when it was. Chains are named by the time at which they
began, and seals say from when to when their segment is, so that no others are read.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from fraud_scorer.ledger.seals import Verifier

DAY = timedelta(days=1)


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
    """The answers to a transaction that were recorded `within` that of `around`. Raises StoreError,
    DamagedFile, and SealError for a segment that nobody vouches for."""
    found = []
    sought = msgspec.json.encode(transaction_id)  # as it stands in the entry
    for name in _segments(archive, verifier, around - within, around + within):
        first = verifier.read(archive.seal(name)).first
        data = archive.segment(name)
        if sought not in data:
            continue
        for at, line in enumerate(archives.from_lines(data)):
            entry = decode(line.body)
            if isinstance(entry, Answered | Shadowed) and entry.transaction_id == transaction_id:
                personal = _personal(connection, archive, name, first + at, line.hash)
                found.append(Answer(str(name.chain), first + at, entry, personal))
    log(connection, principal, "archived transaction", transaction_id, len(found))
    return found


def _segments(
    archive: Archive, verifier: Verifier, low: datetime, high: datetime
) -> Iterator[SegmentName]:
    """Sealed segments with entries of that time."""
    for chain, names in groupby(archive.sealed(), key=lambda name: name.chain):
        if began_at(chain) > high:
            continue
        for name in sorted(names, reverse=True):  # newest first: most chains ended long before
            seal = verifier.read(archive.seal(name))
            if seal.to_at < low:
                break
            if seal.from_at <= high:
                yield name


def _personal(
    connection: Connection, archive: Archive, name: SegmentName, sequence: int, digest: bytes
) -> dict[str, Any] | None:
    try:
        lines = vault.locked(archive.personal(name))
    except FileMissing:
        return None
    for line in lines:
        if line.sequence == sequence and (key := vault.key_of(connection, line)) is not None:
            beside = vault.unlock(line, digest, key)
            if beside is not None:
                known: dict[str, Any] = msgspec.to_builtins(decode_personal(beside[SALT_BYTES:]))
                return known
    return None
