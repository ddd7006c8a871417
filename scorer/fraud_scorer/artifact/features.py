"""Where a feature that is no part of the request comes from, as a manifest declares it.

`Window` and `LabelRate` are totals over buckets of time of one entity's history, `Lookup` is what
was last said about an entity. What exactly they mean is in docs/features.md; the scorer's package
`features` computes them, and training does with the same code.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

MOST_BUCKETS = 400
"""Of one width, delay included, so that an entity's history stays a few kilobytes."""
LONGEST = 90 * 86_400
SHORTEST_BUCKET = 60
MOST_DISTINCT = 1000

_DURATION = re.compile(r"([1-9][0-9]{0,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,6}[smhd](?!\n)$")]
Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}(?!\n)$")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}(?!\n)$")]
Aggregate = Literal["count", "sum", "mean", "max", "distinct", "sinceLast"]

_OF_AMOUNTS = ("sum", "mean", "max")


def seconds(duration: str) -> int:
    """The seconds of a duration such as 5m, 12h or 30d. Raises ValueError."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f"{duration!r} is not a duration: a number and one of s, m, h, d")
    return int(found[1]) * _SECONDS[found[2]]


class Declared(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
):
    """A feature's source. `default` is the value where history is not known (for a mean, a maximum
    or a share also where there is none): the population's. Without it such a value is null."""

    entity: Kind
    default: float | str | None = None


class Window(Declared, frozen=True, tag="window"):
    """A total of an entity's transactions in the last `window`, up to `delay` ago, by `bucket`."""

    aggregate: Aggregate
    window: Duration
    bucket: Duration
    delay: Duration | None = None
    currency: Currency | None = None
    """Only transactions in it; totals of amounts must name one, as currencies do not add up."""
    of: Kind | None = None
    """Of `distinct`: the kind of entity whose members are counted."""
    most: Annotated[int, Meta(ge=1, le=MOST_DISTINCT)] | None = None
    """Of `distinct`: counted exactly up to here, and no further."""

    def __post_init__(self) -> None:
        _check_buckets(self.window, self.bucket, self.delay)
        if self.aggregate in _OF_AMOUNTS and self.currency is None:
            raise ValueError(f"{self.aggregate} adds up amounts, so it needs `currency`")
        if self.aggregate == "distinct":
            if self.of is None or self.most is None:
                raise ValueError("distinct needs `of`, the kind counted, and `most`, how far")
            if self.of == self.entity:
                raise ValueError(f"distinct counts another kind of entity than {self.entity}")
        elif self.of is not None or self.most is not None:
            raise ValueError("only distinct has `of` and `most`")


class LabelRate(Declared, frozen=True, tag="labelRate"):
    """The share of frauds among an entity's labelled transactions of a `window`, up to `delay` ago.

    Of several labels of a transaction the one observed last counts.
    """

    window: Duration
    bucket: Duration
    delay: Duration | None = None

    def __post_init__(self) -> None:
        _check_buckets(self.window, self.bucket, self.delay)


class Lookup(Declared, frozen=True, tag="lookup"):
    """What was last said of an entity under the name `attribute`."""

    attribute: Kind


Kept = Window | LabelRate | Lookup
Source = Literal["request"] | Kept


def _check_buckets(window: str, bucket: str, delay: str | None) -> None:
    length, width = seconds(window), seconds(bucket)
    behind = seconds(delay) if delay else 0
    if width < SHORTEST_BUCKET:
        raise ValueError(f"a bucket is at least {SHORTEST_BUCKET}s wide, not {bucket}")
    if length % width or behind % width:
        raise ValueError(f"window and delay must be whole buckets of {bucket}")
    if length + behind > LONGEST:
        raise ValueError("window and delay reach back 90d at most")
    if (length + behind) // width > MOST_BUCKETS:
        raise ValueError(
            f"window and delay have {(length + behind) // width} buckets of {bucket}; the most is"
            f" {MOST_BUCKETS}: declare wider ones"
        )
