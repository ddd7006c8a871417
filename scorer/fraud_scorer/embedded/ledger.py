"""Labels and look-ups in the data file, as `ledger.labels` and `ledger.lookups` have them in
Postgres."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec

from fraud_scorer.embedded.data import DataFile
from fraud_scorer.embedded.features import EmbeddedFeatures
from fraud_scorer.embedded.labelled import Said, labels_of, said
from fraud_scorer.features import events
from fraud_scorer.features.events import microseconds
from fraud_scorer.ledger import idempotency, lookups
from fraud_scorer.ledger.entries import Answered, decode, decode_personal
from fraud_scorer.ledger.labels import Added, Label
from fraud_scorer.ledger.lookups import Answer, Known, Past, Place
from fraud_scorer.ledger.old_records import Found
from fraud_scorer.ledger.rows import moment
from fraud_scorer.problem import OVERLOADED, RECORDS_AWAY, RETRY_AFTER, Problem

T = TypeVar("T")

_MOST_ASKING = 64
_END = events.MOST

_log = logging.getLogger(__name__)


class _Change(NamedTuple):
    """What labels change in histories. Without `entities` the transaction is not recorded (yet)."""

    transaction_id: str
    before: Said | None
    now: Said
    time: int = 0
    entities: dict[str, str] | None = None


class EmbeddedLedger:
    """Of one event loop. `features` are told of labels; there may be more of them later."""

    def __init__(self, data: DataFile, features: Collection[EmbeddedFeatures]) -> None:
        self._data, self._features = data, features
        self.name = str(data.path)
        self._asking = 0

    async def add_labels(
        self, sent: Sequence[Label], *, by: str, key: str, body: bytes
    ) -> tuple[bytes, Sequence[tuple[str, str]]]:
        """Add labels, and count them in histories at once: nothing is left to be read anew."""

        def work(connection: sqlite3.Connection) -> tuple[bytes, list[_Change]]:
            scope, digest = f"labels {by}", hashlib.sha256(body).digest()
            if key and (known := _claimed(connection, scope, key, digest)) is not None:
                return known, []
            added, changes = _add(connection, sent, by)
            answer = msgspec.json.encode(added)
            if key:
                connection.execute(
                    "INSERT INTO idempotency_keys (scope, key, request_sha256, answer)"
                    " VALUES (?, ?, ?, ?)",
                    [scope, key, digest, answer],
                )
            return answer, changes

        answer, changes = await self._ask(work)
        for change in changes:
            for one in self._features:
                _take(one, change)
        return answer, ()

    async def transaction(
        self, transaction_id: str, *, by: str, archived: Sequence[Found] | None
    ) -> Known:
        """All that the file has of it; there is no archive."""

        def look(connection: sqlite3.Connection) -> Known:
            rows = connection.execute(
                "SELECT sequence, body, personal FROM answers WHERE transaction_id = ?"
                " ORDER BY sequence LIMIT ?",
                [transaction_id, lookups.MOST],
            ).fetchall()
            labels = connection.execute(
                "SELECT transaction_id, label, event_time, observed_at, source FROM labels"
                " WHERE transaction_id = ? ORDER BY observed_at, number LIMIT ?",
                [transaction_id, lookups.MOST],
            ).fetchall()
            _note(connection, by, "transaction", transaction_id, len(rows) + len(labels))
            names = Label.__struct_fields__
            return Known(
                transaction_id,
                lookups.linked([self._answer(*row) for row in rows]),
                tuple(msgspec.convert(dict(zip(names, row, strict=True)), Label) for row in labels),
            )

        return await self._ask(look)

    async def history(
        self,
        user_id: str,
        *,
        by: str,
        limit: int,
        before: datetime | None,
        after: Place | None,
    ) -> list[Past]:
        """A user's transactions, newest first."""
        end = _END if before is None else microseconds(before)
        time, sequence = (_END, 0) if after is None else (microseconds(after[0]), after.sequence)

        def look(connection: sqlite3.Connection) -> list[Past]:
            rows = connection.execute(
                "SELECT sequence, body, personal FROM answers WHERE user_id = ?"
                " AND event_time < ? AND (event_time, sequence) < (?, ?)"
                " ORDER BY event_time DESC, sequence DESC LIMIT ?",
                [user_id, end, time, sequence, min(limit, lookups.MOST)],
            ).fetchall()
            _note(connection, by, "history", user_id, len(rows))
            return [self._past(*row) for row in rows]

        return await self._ask(look)

    async def aclose(self) -> None:
        """Nothing: whoever opened the file closes it."""

    async def _ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._asking >= _MOST_ASKING:
            raise Problem(
                OVERLOADED, "Too many ask for records: send it again later", headers=RETRY_AFTER
            )
        self._asking += 1
        try:
            return await self._data.ask(work)
        except sqlite3.Error as error:
            _log.error("the data file cannot be used", extra={"error": str(error)})
            raise Problem(
                RECORDS_AWAY,
                f"The data file cannot be used ({error}): see to {self._data.path}, and send the"
                " same again",
            ) from None
        finally:
            self._asking -= 1

    def _answer(self, sequence: int, body: str, personal: str) -> Answer:
        entry = _answered(body)
        return Answer(
            str(self._data.id), sequence, entry, msgspec.to_builtins(decode_personal(personal))
        )

    def _past(self, sequence: int, body: str, personal: str) -> Past:
        entry, its = _answered(body), decode_personal(personal)
        (said,) = entry.predictions
        return Past(
            entry.transaction_id,
            its.event_time,
            entry.at,
            its.amount_minor,
            its.currency,
            its.entities,
            said.score,
            said.decision,
            self._data.id,
            sequence,
        )


def _answered(body: str) -> Answered:
    entry = decode(body)
    if not isinstance(entry, Answered):
        raise TypeError("nothing but answers is in the data file")
    return entry


def _claimed(connection: sqlite3.Connection, scope: str, key: str, digest: bytes) -> bytes | None:
    """The answer that was given for the key; None where it is new."""
    row = connection.execute(
        "SELECT request_sha256, answer FROM idempotency_keys WHERE scope = ? AND key = ?",
        [scope, key],
    ).fetchone()
    if row is None:
        return None
    if row[0] != digest:
        raise idempotency.taken()
    return bytes(row[1])


def _add(
    connection: sqlite3.Connection, sent: Sequence[Label], by: str
) -> tuple[Added, list[_Change]]:
    before: dict[str, Said | None] = {}
    for one in sent:
        if one.transaction_id not in before:
            known = labels_of(connection, one.transaction_id)
            before[one.transaction_id] = said(known) if known else None
    fresh = [one.transaction_id for one in sent if _inserted(connection, one, by)]
    changes = []
    for transaction_id in dict.fromkeys(fresh):
        now = said(labels_of(connection, transaction_id))
        change = _Change(transaction_id, before[transaction_id], now)
        row = connection.execute(
            "SELECT event_time, personal FROM answers WHERE transaction_id = ?"
            " ORDER BY sequence LIMIT 1",
            [transaction_id],
        ).fetchone()
        if row is not None:
            change = change._replace(time=row[0], entities=decode_personal(row[1]).entities)
        changes.append(change)
    without = {one.transaction_id for one in changes if one.entities is None}
    unmatched = sum(one in without for one in fresh)
    return Added(len(fresh), len(sent) - len(fresh), unmatched), changes


def _inserted(connection: sqlite3.Connection, one: Label, by: str) -> bool:
    """Whether it was not there yet."""
    return bool(
        connection.execute(
            "INSERT OR IGNORE INTO labels (transaction_id, label, event_time, observed_at, source,"
            " added_by) VALUES (?, ?, ?, ?, ?, ?)",
            [
                one.transaction_id,
                one.label,
                moment(one.event_time).isoformat(),
                moment(one.observed_at).isoformat(),
                one.source,
                by,
            ],
        ).rowcount
    )


def _take(features: EmbeddedFeatures, change: _Change) -> None:
    """Count what labels say now in place of what they said before."""
    histories, (observed_at, fraud) = features.histories, change.now
    if change.entities is None:
        histories.label(events.Label(change.transaction_id, observed_at, fraud))
        return
    before = change.before
    labelled = int(before is None)
    frauds = int(fraud) - int(before is not None and before[1])
    histories.relabel(change.time, change.entities, labelled, frauds)


def _note(
    connection: sqlite3.Connection, principal: str, action: str, about: str, found: int
) -> None:
    """Note who looks, in the transaction that reads."""
    connection.execute(
        "INSERT INTO access_log (principal, action, about, found) VALUES (?, ?, ?, ?)",
        [principal, action, about, found],
    )
