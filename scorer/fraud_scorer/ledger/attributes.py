"""What is told of entities from elsewhere: a customer's segment, a terminal's country.

Features of the kind `lookup` are what was last said as of a transaction's time. Nothing replaces
what was said before; the same, told again, is there once. Who told is an act in the audit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from fraud_scorer.ledger import acts, files
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.entries import Acted
from fraud_scorer.ledger.files import Fields, WrongLine
from fraud_scorer.ledger.rows import moment, text

ACTION = "attributes"

_ARRIVING = (
    "CREATE TEMPORARY TABLE arriving_attributes (number bigint GENERATED ALWAYS AS IDENTITY,"
    " LIKE entity_attributes) ON COMMIT DROP"
)
_COPY = "COPY arriving_attributes (entity_kind, entity_id, name, value, observed_at) FROM STDIN"
_NULLABLE = "ALTER TABLE arriving_attributes ALTER recorded_at DROP NOT NULL"
_ADD = """
INSERT INTO entity_attributes (entity_kind, entity_id, name, value, observed_at)
SELECT entity_kind, entity_id, name, value, observed_at FROM arriving_attributes AS arriving
WHERE NOT EXISTS (
    SELECT FROM entity_attributes AS there WHERE there.entity_kind = arriving.entity_kind
    AND there.entity_id = arriving.entity_id AND there.name = arriving.name
    AND there.observed_at = arriving.observed_at AND there.value = arriving.value
) GROUP BY 1, 2, 3, 4, 5 ORDER BY min(number)
"""


class Attribute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was said of one entity."""

    entity_kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}(?!\n)$")]
    entity_id: Annotated[str, Meta(min_length=1, max_length=128)]
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    value: float | Annotated[str, Meta(max_length=1024)]
    observed_at: Annotated[datetime, Meta(tz=True)]


class Told(Struct, frozen=True):
    """What became of attributes."""

    new: int
    known: int


def add(connection: Connection, attributes: Iterable[Attribute], *, by: str) -> Told:
    """Add them: all of them, or none where this raises."""
    with connection.transaction():
        connection.execute(_ARRIVING)
        connection.execute(_NULLABLE)
        count = 0
        with connection.cursor().copy(_COPY) as copy:
            for one in attributes:
                count += 1
                copy.write(_line(one))
        new = connection.execute(_ADD).rowcount
        act = Acted(datetime.now(UTC), ACTION, by, "", {"new": new})
        acts.record(connection, act)
    return Told(new, count - new)


def read(path: Path, now: datetime) -> Iterator[Attribute]:
    """Those in a file; in CSV a value that is a number is one. Raises WrongLine and OSError."""

    def check(one: Attribute) -> None:
        if one.observed_at > now:
            raise WrongLine("observed_at lies in the future: tell it when it is known")

    return files.read(path, Attribute, check, from_csv=_from_csv)


def _from_csv(fields: Fields) -> Fields:
    try:
        number = float(fields["value"])
    except ValueError:
        return fields
    return {**fields, "value": number} if math.isfinite(number) else fields


def _line(one: Attribute) -> str:
    value = msgspec.json.encode(_stored(one.value)).decode()
    at = moment(one.observed_at).isoformat()
    fields = (one.entity_kind, one.entity_id, one.name, value, at)
    return "\t".join(text(field) for field in fields) + "\n"


def _stored(value: float | str) -> float | str:
    """jsonb has no NUL."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else value
