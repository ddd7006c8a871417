"""Links into Postgres, each exactly once.

A chain's row holds how many of its links are there, and the hash of the last one; both move in the
transaction that adds them. So a batch whose commit nobody heard of is simply sent again, and what
is there already is left out; and of several that deliver the same chain each goes on where the
other stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec
import psycopg

from fraud_scorer.ledger import partitions, rows
from fraud_scorer.ledger.chain import new_chain, origin
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.emptied import Emptied
from fraud_scorer.ledger.entries import Acted, Began, Ended, decode
from fraud_scorer.ledger.rows import Rows
from fraud_scorer.ledger.stretches import Stretch, began_by_nobody, stretch_of

DELIVERING = 0x6C656467
"""Whoever delivers holds this advisory lock in common; whoever erases holds it alone."""


EMPTIED = "erase.arrived"
"""What arrives of somebody who was erased before is emptied, and that is an act too."""
_SENT_TOGETHER = 64
"""Rows: some fifty kilobytes, which the socket takes while the one before is worked on."""


class ChainConflict(Exception):
    """What is to be delivered is not what was delivered before it, as one of them was changed; or
    is nothing that Postgres can hold. Trying again does not help."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far a chain is in Postgres."""

    count: int
    hash: bytes


def deliver(
    connection: Connection, stretches: Sequence[Stretch], *, subject_kind: str
) -> dict[UUID, Delivered]:
    """Deliver what is missing, and how far each chain is then.

    A stretch that begins beyond what is there is left: what comes before it lies elsewhere. Of
    several stretches of a chain the earlier comes first. Raises ChainConflict, and what the driver
    raises; nothing was delivered then.
    """
    try:
        try:
            return _deliver(connection, stretches, subject_kind)
        except psycopg.errors.CheckViolation as error:
            if "no partition" not in str(error):
                raise
        partitions.make(connection, _months(stretches))
        return _deliver(connection, stretches, subject_kind)
    except psycopg.DataError as error:
        names = ", ".join(str(one.chain) for one in stretches)
        raise ChainConflict(
            f"chain {names}: Postgres cannot hold what an entry says ({str(error).splitlines()[0]})"
        ) from None


def delivered(connection: Connection, chains: Iterable[UUID]) -> dict[UUID, Delivered]:
    """How far these chains are; nothing about those that are unknown."""
    found = connection.execute(
        "SELECT chain, delivered, hash FROM chains WHERE chain = ANY(%s)", [list(chains)]
    )
    return {chain: Delivered(count, digest) for chain, count, digest in found}


def _deliver(
    connection: Connection, stretches: Sequence[Stretch], subject_kind: str
) -> dict[UUID, Delivered]:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [DELIVERING])
        state = _locked(connection, stretches)
        oldest = min(decode(one.links[0].body).at for one in stretches)
        found = Rows(subject_kind, erasures(connection, oldest))
        before = dict(state)
        with _copying(connection, "transactions", rows.TRANSACTIONS) as send:
            # Sent as they are made: Postgres, whose largest part these are, works meanwhile.
            for stretch in stretches:
                state[stretch.chain] = _add(found, stretch, state[stretch.chain], send)
            send(found.transactions)
        for table, columns, lines in (
            ("predictions", rows.PREDICTIONS, found.predictions),
            ("audit", rows.AUDIT, found.audit),
        ):
            if lines:
                with _copying(connection, table, columns) as send:
                    send(lines)
        connection.cursor().executemany(
            "UPDATE chains SET delivered = %s, hash = %s WHERE chain = %s",
            [(now.count, now.hash, chain) for chain, now in state.items() if now != before[chain]],
        )
        if found.emptied:
            _deliver(connection, [_said_of(found.emptied)], subject_kind)
    return state


def _said_of(emptied: Emptied) -> Stretch:
    """That what arrived of persons who were erased before was emptied: a chain of its own."""
    chain, now = new_chain(), datetime.now(UTC)
    act = Acted(now, EMPTIED, "", "", emptied.detail())
    return stretch_of(chain, [began_by_nobody(chain), act, Ended(now)])


def _add(
    found: Rows, stretch: Stretch, at: Delivered, send: Callable[[Sequence[str]], None]
) -> Delivered:
    """Add the rows of what comes after `at`, and send those of transactions on the way."""
    ahead = at.count - stretch.first
    if ahead < 0 or ahead >= len(stretch.links):
        return at
    previous = stretch.links[ahead - 1].hash if ahead else stretch.previous
    if previous != at.hash:
        raise ChainConflict(
            f"chain {stretch.chain}: entry {at.count} does not follow what Postgres has before it;"
            " one of both was changed: keep the spool's folder, and run fraud-scorer audit verify"
        )
    for link in stretch.links[ahead:]:
        try:
            found.add(stretch.chain, link)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ChainConflict(
                f"chain {stretch.chain}: entry {link.sequence} cannot be read ({error}); it was"
                " written by a later release, or changed"
            ) from None
        if len(found.transactions) == _SENT_TOGETHER:
            send(found.transactions)
            found.transactions.clear()
    last = stretch.links[-1]
    return Delivered(last.sequence + 1, last.hash)


def _locked(connection: Connection, stretches: Sequence[Stretch]) -> dict[UUID, Delivered]:
    """How far the chains are, each locked against others that deliver it."""
    for stretch in stretches:
        if stretch.first == 0:
            began = decode(stretch.links[0].body)
            if not isinstance(began, Began):
                raise ChainConflict(f"chain {stretch.chain} does not say first when it began")
            connection.execute(
                "INSERT INTO chains (chain, detector, pod, began_at, hash)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [stretch.chain, began.detector, began.pod, began.at, origin(stretch.chain)],
            )
    found = connection.execute(
        "SELECT chain, delivered, hash FROM chains WHERE chain = ANY(%s) ORDER BY chain FOR UPDATE",
        [[one.chain for one in stretches]],
    )
    state = {one.chain: Delivered(0, origin(one.chain)) for one in stretches}
    return state | {chain: Delivered(count, digest) for chain, count, digest in found}


def erasures(connection: Connection, since: datetime) -> Callable[[str, datetime], bool]:
    """Whether what was recorded of a person then is to be forgotten; knows the erasures `since`."""
    found: dict[bytes, datetime] = {}
    for digest, at in connection.execute(
        "SELECT subject_sha256, erased_at FROM erasures WHERE erased_at >= %s", [since]
    ):
        found[digest] = max(at, found.get(digest, at))
    if not found:
        return lambda subject, at: False

    def erased(subject: str, at: datetime) -> bool:
        when = found.get(digest_of(subject))
        return when is not None and at <= when

    return erased


def digest_of(subject: str) -> bytes:
    """What is remembered of a person who was erased."""
    return hashlib.sha256(b"fraudops subject\n" + subject.encode()).digest()


@contextmanager
def _copying(
    connection: Connection, table: str, columns: str
) -> Iterator[Callable[[Sequence[str]], None]]:
    """Gives what sends lines."""
    with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
        yield lambda lines: copy.write("".join(lines).encode())


def _months(stretches: Sequence[Stretch]) -> set[date]:
    return {partitions.month_of(decode(link.body).at) for one in stretches for link in one.links}
