"""What turned out to be true of transactions: labels, which are added and never changed.

A chargeback, a confirmed fraud, or a suspicion that was cleared. Each has the time of the event,
the time at which its source knew (training must not know earlier), and the source. A later label
does not replace an earlier one; the same one, sent again, is there once. Adding some is an act,
which holds a digest of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from fraud_scorer.ledger import acts, files, vouched
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.entries import Acted
from fraud_scorer.ledger.files import WrongLine
from fraud_scorer.ledger.rows import column, moment, text

_ARRIVING = "CREATE TEMPORARY TABLE arriving_labels (LIKE labels INCLUDING DEFAULTS) ON COMMIT DROP"
_COPY = (
    "COPY arriving_labels (transaction_id, label, event_time, observed_at, source, added_by)"
    " FROM STDIN"
)
_ADD = """
WITH added AS (
    INSERT INTO labels
        (transaction_id, label, event_time, observed_at, source, added_by, chain, sequence)
    SELECT transaction_id, label, event_time, observed_at, source, added_by, %s, %s
    FROM arriving_labels
    ON CONFLICT DO NOTHING
    RETURNING transaction_id, label, event_time, observed_at, source, added_by, added_at
)
SELECT *, NOT EXISTS (
    SELECT 1 FROM transactions WHERE transactions.transaction_id = added.transaction_id
) FROM added
"""
_TOGETHER = 5000
"""Labels of one act: so many are held in memory at once, here and by whoever verifies them."""
ACTION = "labels.add"
COLUMNS = "transaction_id, label, event_time, observed_at, source, added_by, added_at"
"""What the act's digest is of."""
_Time = Annotated[datetime, Meta(tz=True)]


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one source says of one transaction."""

    transaction_id: Annotated[str, Meta(min_length=1, max_length=128)]
    label: Literal["chargeback", "confirmed", "cleared"]
    event_time: _Time
    observed_at: _Time
    source: Annotated[str, Meta(min_length=1, max_length=128)]


class Added(Struct, frozen=True):
    """What became of labels that were sent."""

    new: int
    known: int
    """Were there already, or twice among them."""
    unmatched: int
    """Of the new ones, how many are of transactions that Postgres does not have (yet)."""


class WrongLabel(WrongLine):
    """A label that contradicts itself."""


def add(connection: Connection, labels: Iterable[Label], *, by: str) -> Added:
    """Add labels: all of them, or none where this raises."""
    count = new = unmatched = 0
    left = iter(labels)
    with acts.acting(connection) as acting:
        connection.execute(_ARRIVING)
        while some := list(islice(left, _TOGETHER)):
            connection.execute("TRUNCATE arriving_labels")
            with connection.cursor().copy(_COPY) as copy:
                for one in some:
                    copy.write(_line(one, by))
            rows = connection.execute(_ADD, acting.place).fetchall()
            count, new = count + len(some), new + len(rows)
            unmatched += sum(row[-1] for row in rows)
            if rows:
                detail = vouched.detail(row[:-1] for row in rows)
                acting.record(Acted(datetime.now(UTC), ACTION, by, "", detail))
    return Added(new, count - new, unmatched)


def entities_of(connection: Connection, transactions: Collection[str]) -> list[tuple[str, str]]:
    """The entities (kind and id) of these transactions, as far as Postgres knows them."""
    if not transactions:
        return []
    return connection.execute(
        "SELECT DISTINCT kind, id FROM transactions, jsonb_each_text(entities) AS one (kind, id)"
        " WHERE transaction_id = ANY(%s)",
        [[column(one) for one in transactions]],
    ).fetchall()


def check(label: Label, now: datetime) -> None:
    """Raise WrongLabel for one that contradicts itself."""
    if label.observed_at < label.event_time:
        raise WrongLabel("observed_at lies before event_time: nobody knew before it happened")
    if label.observed_at > now:
        raise WrongLabel("observed_at lies in the future: send the label when it is known")


def read(path: Path, now: datetime) -> Iterator[Label]:
    """The labels in a file. Raises WrongLine and OSError."""
    return files.read(path, Label, lambda label: check(label, now))


def _line(one: Label, by: str) -> str:
    fields = (
        one.transaction_id, one.label, moment(one.event_time).isoformat(),
        moment(one.observed_at).isoformat(), one.source, by,
    )  # fmt: skip
    return "\t".join(text(field) for field in fields) + "\n"
