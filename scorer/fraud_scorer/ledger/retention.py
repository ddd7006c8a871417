"""`audit.hot`: months that are older leave Postgres, once the archive has what is in them.

A month goes only as a whole, and only where every entry in it is under a seal: so nothing is lost
to a shipper that is behind, and look-ups and verification find it in the archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from fraud_scorer.ledger import partitions
from fraud_scorer.ledger.archive import Archive, SegmentName
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.seals import SealError, Verifier


class Kept(Struct, frozen=True):
    """A month that should go and stays."""

    month: date
    reason: str


class Retired(Struct, frozen=True):
    """What was done."""

    dropped: tuple[date, ...]
    kept: tuple[Kept, ...]


def retire(
    connection: Connection,
    archive: Archive,
    verifier: Verifier,
    *,
    hot: timedelta,
    now: datetime | None = None,
) -> Retired:
    """Drop what is older than `hot`. Needs a connection with autocommit, as the tables' owner."""
    oldest = (now or datetime.now(UTC)) - hot
    dropped, kept = [], []
    whole = archive.whole()
    for month in partitions.months(connection):
        if datetime.combine(partitions.after(month), datetime.min.time(), UTC) > oldest:
            break
        if reason := _unsealed(connection, archive, verifier, whole, month):
            kept.append(Kept(month, reason))
            break  # what comes later stays, too, so that Postgres keeps everything since some day
        partitions.drop(connection, month)
        dropped.append(month)
    return Retired(tuple(dropped), tuple(kept))


def _unsealed(
    connection: Connection,
    archive: Archive,
    verifier: Verifier,
    whole: Sequence[SegmentName],
    month: date,
) -> str:
    """Why the month cannot go; empty where it can. `whole`: segments with lines and seal."""
    rows = connection.execute(
        "SELECT chain, max(sequence) FROM audit WHERE recorded_at >= %s AND recorded_at < %s"
        " GROUP BY chain",
        [month, partitions.after(month)],
    ).fetchall()
    chains = {chain for chain, _ in rows}
    ends = _sealed_ends(archive, verifier, [name for name in whole if name.chain in chains])
    lacking = [chain for chain, last in rows if ends.get(chain, 0) <= last]
    if not lacking:
        return ""
    return (
        f"{len(lacking)} chains have entries in it that the archive has no seal for, such as"
        f" {lacking[0]}: see whether its shipper runs"
    )


def _sealed_ends(
    archive: Archive, verifier: Verifier, whole: Sequence[SegmentName]
) -> dict[UUID, int]:
    """The sequence after the last sealed entry of each chain, without gaps before it."""
    ends: dict[UUID, int] = {}
    for name in whole:
        _extend(ends, archive, verifier, name)
    return ends


def _extend(ends: dict[UUID, int], archive: Archive, verifier: Verifier, name: SegmentName) -> None:
    try:
        seal = verifier.read(archive.seal(name))
    except SealError:
        return
    if seal.first == ends.get(name.chain, 0):
        ends[name.chain] = seal.first + seal.count
