"""From links of a chain to rows of tables, as the text that COPY takes.

Ids come from callers and may hold anything that JSON can: what Postgres' text cannot (NUL) is
replaced, in the columns only; the entry itself is kept byte by byte. The same holds for times: RFC
3339 has offsets that Postgres does not read, so columns have them in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from fraud_scorer.ledger.chain import Link
from fraud_scorer.ledger.emptied import Emptied
from fraud_scorer.ledger.entries import (
    SALT_BYTES,
    Answered,
    Personal,
    Prediction,
    Shadowed,
    decode,
    decode_personal,
)

AUDIT = "recorded_at, chain, sequence, kind, body, hash"
TRANSACTIONS = (
    'recorded_at, transaction_id, user_id, "timestamp", amount_minor, currency, entities,'
    " personal, salt, chain, sequence"
)
PREDICTIONS = (
    "recorded_at, transaction_id, prediction_id, role, fraud_score, decision, rule, would,"
    " propensity, model, version, chain, sequence"
)

_SPECIAL = re.compile(r"[\\\t\n\r\x00]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": "\ufffd"}
_NULL = "\\N"
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Rows:
    """Lines for each table, from any number of chains."""

    def __init__(self, subject_kind: str, erased: Callable[[str, datetime], bool]) -> None:
        """`subject_kind`: the kind of entity that a person is. `erased(subject, at)`: whether what
        was recorded of that person at that time is to be forgotten."""
        self.audit: list[str] = []
        self.transactions: list[str] = []
        self.predictions: list[str] = []
        self.emptied = Emptied()
        """Of persons who were erased before."""
        self._kind, self._erased = subject_kind, erased

    def add(self, chain: UUID, link: Link) -> None:
        """Add what an entry says. Raises msgspec.DecodeError."""
        body = link.body.decode()
        entry = decode(body)
        at = entry.at.isoformat()
        kind = type(entry).__struct_config__.tag
        where = f"{chain}\t{link.sequence}"
        self.audit.append(f"{at}\t{where}\t{kind}\t{text(body)}\t\\\\x{link.hash.hex()}\n")
        if isinstance(entry, Answered | Shadowed):
            transaction = text(entry.transaction_id)
            prediction = text(entry.prediction_id)
            for one in entry.predictions:
                would, propensity = drawn(entry, one)
                self.predictions.append(
                    f"{at}\t{transaction}\t{prediction}\t{one.role}\t{_or_null(one.score)}"
                    f"\t{one.decision}\t{text(one.rule) or _NULL}\t{_or_null(would)}"
                    f"\t{_or_null(propensity)}\t{text(one.model)}\t{text(one.version)}\t{where}\n"
                )
        if isinstance(entry, Answered) and link.beside:
            self._add_transaction(entry, chain, link, f"{at}\t{transaction}", where)

    def _add_transaction(
        self, entry: Answered, chain: UUID, link: Link, begins: str, where: str
    ) -> None:
        beside = link.beside
        salt, data = beside[:SALT_BYTES], beside[SALT_BYTES:].decode()
        personal = decode_personal(data)
        subject = subject_of(personal, self._kind)
        if subject and self._erased(subject, entry.at):
            known = "\t".join([_NULL] * 7)
            self.emptied.add(chain, link.sequence, entry.at)
        else:
            user = text(subject.removeprefix(f"{self._kind}=")) if subject else _NULL
            known = (
                f"{user}\t{moment(personal.event_time).isoformat()}\t{personal.amount_minor}"
                f"\t{text(personal.currency)}\t{text(_json(personal.entities))}\t{text(data)}"
                f"\t\\\\x{salt.hex()}"
            )
        self.transactions.append(f"{begins}\t{known}\t{where}\n")


def text(value: str) -> str:
    """A field of COPY's text format."""
    if _SPECIAL.search(value) is None:
        return value
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], value)


def column(value: str) -> str:
    """How a text that a caller chose stands in a column."""
    return value.replace("\x00", "\ufffd")


def moment(time: datetime) -> datetime:
    """How a time that a caller chose stands in a column: in UTC. The hours by which an offset moves
    one out of the years 1 to 9999 are cut off, as nobody could read it from there."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return _FIRST if time.year == 1 else _LAST


def drawn(entry: Answered | Shadowed, prediction: Prediction) -> tuple[str | None, float | None]:
    """`would` and `propensity` of a prediction; None where nothing was drawn for it."""
    if not isinstance(entry, Answered) or prediction.role == "shadow" or not entry.propensity:
        return None, None
    return column(entry.would), entry.propensity


def subject_of(personal: Personal, kind: str) -> str:
    """The person, as `kind=id`; empty where the transaction names none."""
    who = personal.entities.get(kind)
    return "" if who is None else f"{kind}={column(who)}"


def _or_null(value: str | float | None) -> str:
    if value is None:
        return _NULL
    return text(value) if isinstance(value, str) else repr(value)


def _json(entities: dict[str, str]) -> str:
    return msgspec.json.encode({kind: column(who) for kind, who in entities.items()}).decode()
