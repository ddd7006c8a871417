"""Postgres: its entries against each other and against the seals, and what was read out of them
against the entries.

Everything is read in one snapshot, so that what is delivered meanwhile disturbs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from fraud_scorer.ledger import partitions
from fraud_scorer.ledger.audit.acted import Acts
from fraud_scorer.ledger.audit.archived import Archived
from fraud_scorer.ledger.audit.findings import Finding, Kind, Placed, check_links
from fraud_scorer.ledger.audit.projections import Projections
from fraud_scorer.ledger.chain import origin
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.entries import Began, decode

_WHERE, _CHAINS = "Postgres, audit", "Postgres, chains"
_FETCHED = 5000


class _Head(NamedTuple):
    """A chain's row."""

    chain: UUID
    began_at: datetime
    delivered: int
    hash: bytes
    sealed: int
    detector: str
    pod: str
    open: bool


Tables = tuple[Projections, Acts]
"""What is held against the entries."""


@dataclass
class Hot:
    """What was looked at."""

    chains: int = 0
    entries: int = 0
    erased: int = 0


def check(
    connection: Connection, archived: Archived | None, looked: Hot, *, subject_kind: str
) -> Iterator[Finding]:
    """Everything that is wrong in Postgres."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        heads = _heads(connection)
        since = partitions.since(connection, "audit") or datetime.now(UTC)
        projections = Projections(connection, subject_kind, since)
        acts = Acts(connection, archived, since)
        seen = set()
        for chain, rows in groupby(_entries(connection), key=itemgetter(0)):
            seen.add(chain)
            looked.chains += 1
            yield from _check_chain(
                heads.get(chain), chain, rows, archived, (projections, acts), since, looked
            )
        yield from projections.rest()
        yield from acts.rest()
        looked.erased = projections.erased
        for head in heads.values():
            if head.chain not in seen:
                yield from _check_absent(head, archived, since)
        if archived is not None:
            yield from _check_unknown(archived, heads)


def _check_chain(
    head: _Head | None,
    chain: UUID,
    rows: Iterable[tuple[Any, ...]],
    archived: Archived | None,
    tables: Tables,
    since: datetime,
    looked: Hot,
) -> Iterator[Finding]:
    findings: list[Finding] = []
    last: Placed | None = None
    ends = _sealed_ends(archived, chain)

    def placed() -> Iterator[Placed]:
        nonlocal last
        for _, sequence, recorded_at, kind, body, digest in rows:
            looked.entries += 1
            last = Placed(sequence, body.encode(), digest)
            findings.extend(_check_row(head, chain, last, recorded_at, kind, ends, tables))
            yield last

    entries = placed()
    first = next(entries)
    before, previous = _before(chain, first.sequence, archived, since, head)
    findings.extend(before)
    yield from check_links(
        _WHERE, chain, _again(first, entries), first=first.sequence, previous=previous
    )
    yield from findings
    if last is not None:
        yield from _check_end(head, chain, last, archived)


def _check_row(
    head: _Head | None,
    chain: UUID,
    entry: Placed,
    recorded_at: datetime,
    kind: str,
    ends: dict[int, str],
    tables: Tables,
) -> Iterator[Finding]:
    if ends.get(entry.sequence, entry.hash.hex()) != entry.hash.hex():
        yield Finding(
            Kind.CHANGED, _WHERE, chain, entry.sequence,
            "it, or one before it, was rewritten with all hashes after it: its seal says otherwise",
        )  # fmt: skip
    try:
        said = decode(entry.body)
    except ValueError as error:
        yield Finding(Kind.CHANGED, _WHERE, chain, entry.sequence, f"it cannot be read: {error}")
        return
    if (said.at, type(said).__struct_config__.tag) != (recorded_at, kind):
        yield Finding(
            Kind.CHANGED, _WHERE, chain, entry.sequence,
            "its columns recorded_at and kind do not say what its body says",
        )  # fmt: skip
    if isinstance(said, Began):
        yield from _check_began(head, entry.sequence, said)
    for each in tables:
        yield from each.check(chain, entry.sequence, said)


def _check_began(head: _Head | None, sequence: int, began: Began) -> Iterator[Finding]:
    """Whether a chain's row says of it what it says itself: by that it is told which chains of acts
    are to be ended and sealed."""
    wanted = (began.at, began.detector, began.pod)
    if head is not None and wanted != (head.began_at, head.detector, head.pod):
        yield Finding(
            Kind.CHANGED, _CHAINS, head.chain, sequence,
            "the chain's row does not say what its first entry says",
        )  # fmt: skip


def _before(
    chain: UUID, first: int, archived: Archived | None, since: datetime, head: _Head | None
) -> tuple[list[Finding], bytes | None]:
    """What is wrong with what is not in Postgres any more, and the last hash of it."""
    if first == 0:
        return [], origin(chain)
    line = archived.line(chain, first - 1) if archived is not None else None
    if line is not None and decode(line.body).at < since:
        return [], line.hash  # its month was dropped, and the archive has it
    if archived is None and head is not None and head.began_at < since:
        return [], None
    why = (
        "they are not in the archive"
        if line is None
        else f"Postgres keeps everything since {since:%Y-%m-%d}"
    )
    message = f"the entries before {first} are missing, and {why}"
    missing = Finding(Kind.REMOVED, _WHERE, chain, 0, message)
    return [missing], line.hash if line is not None else None


def _check_end(
    head: _Head | None, chain: UUID, last: Placed, archived: Archived | None
) -> Iterator[Finding]:
    if head is None:
        yield Finding(Kind.MISSING_CHAIN, _CHAINS, chain, -1, "its row was removed")
        return
    ends = max(head.delivered, archived.end(chain) if archived is not None else 0)
    if last.sequence + 1 < ends:
        yield Finding(
            Kind.TRUNCATED, _WHERE, chain, last.sequence + 1,
            f"the last {ends - last.sequence - 1} of {ends} entries are missing",
        )  # fmt: skip
    elif last.sequence + 1 > head.delivered:
        yield Finding(
            Kind.ADDED, _WHERE, chain, head.delivered, "there are more entries than were delivered"
        )
    elif last.hash != head.hash:
        yield Finding(
            Kind.CHANGED, _CHAINS, chain, last.sequence,
            "the chain's row has another hash than its last entry",
        )  # fmt: skip
    yield from _check_sealed(head, archived)
    yield from _check_open(head, last, archived)


def _check_open(head: _Head, last: Placed, archived: Archived | None) -> Iterator[Finding]:
    """What is sealed, or a process's, nobody goes on with: no shipper would seal that."""
    if head.open and (head.sealed or head.pod):
        yield Finding(
            Kind.CHANGED, _CHAINS, head.chain, -1,
            "acts would go on with this chain, which is sealed or a process's",
        )  # fmt: skip
    elif archived is not None and not head.pod and not head.open:
        ends = archived.end(head.chain)
        if 0 < ends <= last.sequence and not archived.sealed_since(head.chain):
            yield Finding(
                Kind.ADDED, _WHERE, head.chain, ends,
                f"{last.sequence + 1 - ends} entries were added after the chain was sealed",
            )  # fmt: skip


def _check_sealed(head: _Head, archived: Archived | None) -> Iterator[Finding]:
    if archived is None:
        return
    there = len(archived.seals.get(head.chain, ()))
    if there < head.sealed:
        there += archived.sealed_since(head.chain)
    if there < head.sealed:
        yield Finding(
            Kind.MISSING_SEAL, "archive", head.chain, -1,
            f"{head.sealed} of its segments were sealed, and {there} seals are there",
        )  # fmt: skip


def _check_absent(head: _Head, archived: Archived | None, since: datetime) -> Iterator[Finding]:
    """A chain that has a row and no entries."""
    if archived is not None:
        yield from _check_sealed(head, archived)
        line = archived.line(head.chain, head.delivered - 1)
        if line is not None and decode(line.body).at < since:
            return
    elif head.began_at < since:
        return
    if head.delivered:
        yield Finding(
            Kind.MISSING_CHAIN, _WHERE, head.chain, -1,
            f"all of its {head.delivered} entries were removed",
        )  # fmt: skip


def _check_unknown(archived: Archived, heads: dict[UUID, _Head]) -> Iterator[Finding]:
    for chain in archived.seals:
        if chain not in heads and archived.end(chain):
            yield Finding(
                Kind.MISSING_CHAIN, _CHAINS, chain, -1,
                "the archive has it, and Postgres has nothing of it",
            )  # fmt: skip


def _sealed_ends(archived: Archived | None, chain: UUID) -> dict[int, str]:
    """The hash that seals hold, by the sequence of its entry."""
    if archived is None:
        return {}
    return {
        seal.first + seal.count - 1: seal.last
        for seal in archived.seals.get(chain, ())
        if seal.count
    }


def _heads(connection: Connection) -> dict[UUID, _Head]:
    rows = connection.execute(
        "SELECT chain, began_at, delivered, hash, sealed, detector, pod, open FROM chains"
    )
    return {row[0]: _Head(*row) for row in rows}


def _entries(connection: Connection) -> Iterator[tuple[Any, ...]]:
    with connection.cursor("audit_entries") as cursor:
        cursor.itersize = _FETCHED
        cursor.execute(
            "SELECT chain, sequence, recorded_at, kind, body, hash FROM audit"
            " ORDER BY chain, sequence"
        )
        yield from cursor


def _again(first: Placed, rest: Iterator[Placed]) -> Iterator[Placed]:
    yield first
    yield from rest
