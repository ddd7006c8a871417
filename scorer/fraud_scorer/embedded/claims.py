"""Who answers a transaction, so that it is answered once: in memory, of the newest so many, which
the data file brings over a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from fraud_scorer.decisions.claims import NEW, OTHER, SAME, Claim
from fraud_scorer.embedded.data import DataFile
from fraud_scorer.ledger.spool import SpoolFull

MOST_ANSWERS = 20_000
_TRIMMED_EVERY = 1_000

_KEEP = "INSERT OR REPLACE INTO given (transaction_id, fingerprint, answer) VALUES (?, ?, ?)"
_TRIM = "DELETE FROM given WHERE number <= (SELECT max(number) FROM given) - ?"


@dataclass(slots=True)
class _Open:
    """A transaction that is being answered, and who else waits for that."""

    fingerprint: bytes
    waiting: list[Claim] = field(default_factory=list)


class EmbeddedClaims:
    """Used from the event loop's thread only."""

    def __init__(self, data: DataFile, most: int = MOST_ANSWERS) -> None:
        self._data, self._most = data, most
        self._open: dict[str, _Open] = {}
        self._given: dict[str, tuple[bytes, bytes]] = {}
        """Fingerprint and answer, the oldest first."""
        self._until_trimmed = _TRIMMED_EVERY

    async def start(self) -> None:
        """Remember what was answered before this process began."""

        def read(connection: sqlite3.Connection) -> list[tuple[str, bytes, bytes]]:
            connection.execute(_TRIM, [self._most])
            return connection.execute(
                "SELECT transaction_id, fingerprint, answer FROM given ORDER BY number"
            ).fetchall()

        self._given = {one: (mark, answer) for one, mark, answer in await self._data.ask(read)}

    def claim(self, transaction_id: str, fingerprint: bytes, done: Callable[[Claim], None]) -> None:
        """Claim a transaction; who repeats one that is being answered is told with it."""
        claim = Claim(transaction_id.encode("utf-8"), fingerprint, done)
        given, open_ = self._given.get(transaction_id), self._open.get(transaction_id)
        if given is not None:
            _tell_answer(claim, *given)
        elif open_ is None:
            self._open[transaction_id] = _Open(fingerprint)
            _tell_new(claim)
        elif open_.fingerprint == fingerprint:
            open_.waiting.append(claim)
        else:
            _tell_answer(claim, open_.fingerprint, b"")

    def settle(self, claim: Claim, answer: bytes) -> None:
        """This is the answer."""
        transaction_id = claim.key.decode()
        open_ = self._open.pop(transaction_id)
        self._given[transaction_id] = (open_.fingerprint, answer)
        if len(self._given) > self._most:
            del self._given[next(iter(self._given))]
        self._keep(transaction_id, open_.fingerprint, answer)
        for one in open_.waiting:
            _tell_answer(one, open_.fingerprint, answer)

    def release(self, claim: Claim) -> None:
        """There is no answer: whoever waited first is to answer."""
        transaction_id = claim.key.decode()
        open_ = self._open[transaction_id]
        if open_.waiting:
            _tell_new(open_.waiting.pop(0))
        else:
            del self._open[transaction_id]

    def _keep(self, transaction_id: str, fingerprint: bytes, answer: bytes) -> None:
        try:
            self._data.write(_KEEP, transaction_id, fingerprint, answer, awaited=False)
            self._until_trimmed -= 1
            if not self._until_trimmed:
                self._until_trimmed = _TRIMMED_EVERY
                self._data.write(_TRIM, self._most, awaited=False)
        except SpoolFull:
            return  # it is known until the process ends


def _tell_new(claim: Claim) -> None:
    claim.outcome = NEW
    claim.done(claim)


def _tell_answer(claim: Claim, fingerprint: bytes, answer: bytes) -> None:
    claim.outcome = SAME if claim.mark == fingerprint else OTHER
    claim.answer = answer if claim.outcome is SAME else b""
    claim.done(claim)
