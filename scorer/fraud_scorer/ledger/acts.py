"""What people do to the ledger, recorded in it: labels, lists, looks, erasures, imports.

An act is delivered in the caller's transaction: the act and its record are both there, or neither
is. A chain of acts stays open for a while, and whoever acts next goes on with it; of those who act
at once each has one of its own. Whoever acts has no key to seal with, so a shipper ends these
chains when they are old enough, and seals them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from fraud_scorer.ledger.chain import Link, new_chain, origin
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.delivery import deliver
from fraud_scorer.ledger.entries import Acted, Ended, Entry
from fraud_scorer.ledger.stretches import Stretch, began_by_nobody, stretch_of


class Place(NamedTuple):
    """Where an act is recorded."""

    chain: UUID
    sequence: int


class Acting:
    """A chain that nobody else goes on with before the transaction ends."""

    def __init__(self, chain: UUID, length: int, last: bytes) -> None:
        self._chain, self._length, self._last = chain, length, last
        self._said: list[Entry] = []

    @property
    def place(self) -> Place:
        """Of the act that is recorded next."""
        return Place(self._chain, self._length + len(self._said))

    def record(self, act: Acted) -> None:
        """Have it delivered at the end."""
        self._said.append(act)

    def stretch(self) -> Stretch | None:
        """What was recorded."""
        if not self._said:
            return None
        return stretch_of(self._chain, self._said, first=self._length, previous=self._last)


@contextmanager
def acting(connection: Connection) -> Iterator[Acting]:
    """A transaction in which something is done that is recorded."""
    with connection.transaction():
        one = _open(connection) or _begun(connection)
        yield one
        if (stretch := one.stretch()) is not None:
            deliver(connection, [stretch], subject_kind="")


def record(connection: Connection, act: Acted) -> Place:
    """Record one act; where that is."""
    with acting(connection) as one:
        place = one.place
        one.record(act)
    return place


def end_old(connection: Connection, age: timedelta) -> None:
    """End the chains that have been open for so long."""
    with connection.transaction():
        found = connection.execute(
            "SELECT chain, delivered, hash FROM chains WHERE open AND began_at <= %s"
            " FOR UPDATE SKIP LOCKED",
            [datetime.now(UTC) - age],
        ).fetchall()
        for chain, length, last in found:
            ended = stretch_of(chain, [Ended(datetime.now(UTC))], first=length, previous=last)
            deliver(connection, [ended], subject_kind="")
            connection.execute("UPDATE chains SET open = false WHERE chain = %s", [chain])


def unsealed(connection: Connection) -> Iterator[Stretch]:
    """The chains of acts that ended and that nobody sealed yet."""
    chains = connection.execute(
        "SELECT chain FROM chains WHERE pod = '' AND sealed = 0 AND NOT open ORDER BY chain"
    ).fetchall()
    for (chain,) in chains:
        rows = connection.execute(
            "SELECT sequence, body, hash FROM audit WHERE chain = %s ORDER BY sequence", [chain]
        )
        links = [Link(sequence, body.encode(), b"", digest) for sequence, body, digest in rows]
        if links:
            yield Stretch(chain, origin(chain), links)


def _open(connection: Connection) -> Acting | None:
    row = connection.execute(
        "SELECT chain, delivered, hash FROM chains WHERE open LIMIT 1 FOR UPDATE SKIP LOCKED"
    ).fetchone()
    return None if row is None else Acting(*row)


def _begun(connection: Connection) -> Acting:
    chain = new_chain()
    began = stretch_of(chain, [began_by_nobody(chain)])
    deliver(connection, [began], subject_kind="")
    connection.execute("UPDATE chains SET open = true WHERE chain = %s", [chain])
    return Acting(chain, 1, began.links[-1].hash)
