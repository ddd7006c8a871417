"""Declarations with everything in them, and a slow second opinion of what they mean."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from fraud_scorer.artifact.features import LabelRate, Lookup, Window, seconds
from fraud_scorer.artifact.manifest import Feature, Value
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.offline import Event

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
START = 1_767_225_600 * SECOND
"""1 January 2026."""


def number(name: str, source: Any) -> Feature:
    """A numeric feature of that source."""
    return Feature(name=name, type="number", source=source, nullable=source.default is None)


def window(aggregate: Any, length: str, bucket: str, **more: Any) -> Window:
    """A window of a customer, in EUR where it is of amounts."""
    more.setdefault("entity", "customer")
    if aggregate in ("sum", "mean", "max"):
        more.setdefault("currency", "EUR")
    return Window(aggregate=aggregate, window=length, bucket=bucket, **more)


EVERYTHING = (
    number("count_5m", window("count", "5m", "1m")),
    number("count_3d", window("count", "3d", "1d")),
    number("sum_5m", window("sum", "5m", "1m")),
    number("mean_3d", window("mean", "3d", "1d", default=1234.5)),
    number("max_3h", window("max", "3h", "1h")),
    number("max_2h_before", window("max", "2h", "1h", delay="1h", default=0.0)),
    number("since_3h", window("sinceLast", "3h", "1h", default=10_800.0)),
    number("terminals_3h", window("distinct", "3h", "1h", of="terminal", most=3)),
    number("terminals_1h", window("distinct", "1h", "1h", of="terminal", most=2)),
    number("usd_sum_3d", window("sum", "3d", "1d", currency="USD")),
    number("terminal_count_2d", window("count", "2d", "1d", entity="terminal", delay="1d")),
    number(
        "terminal_risk_2d",
        LabelRate(entity="terminal", window="2d", bucket="1d", delay="1d", default=0.01),
    ),
    number("terminal_risk_1d", LabelRate(entity="terminal", window="1d", bucket="1d")),
    number("limit", Lookup(entity="customer", attribute="limit", default=-1.0)),
    Feature(
        name="segment",
        type="category",
        source=Lookup(entity="customer", attribute="segment", default="unknown"),
    ),
)
"""Each aggregate, shared and separate tables, delays, currencies, labels and look-ups."""


def some_days(seed: int, count: int = 400) -> list[Event]:
    """Transactions in the order of their times, with labels and look-ups between them."""
    draw = random.Random(seed)
    time, events = 0, list[Event]()
    for index in range(count):
        time += int(draw.expovariate(1 / (20 * MINUTE)))
        entities = {"customer": f"c-{draw.randrange(3)}"}
        if draw.random() < 0.9:
            entities["terminal"] = f"t-{draw.randrange(6)}"
        currency = "EUR" if draw.random() < 0.8 else "USD"
        events.append(
            Transaction(f"tx-{index}", START + time, entities, draw.randrange(10_000), currency)
        )
        if draw.random() < 0.5:
            labelled = f"tx-{draw.randrange(index + 1)}"
            events.append(Label(labelled, START + time + draw.randrange(10), draw.random() < 0.4))
        if draw.random() < 0.05:
            value, name = (1.5, "limit") if draw.random() < 0.5 else (f"s-{index}", "segment")
            events.append(
                Attribute("customer", f"c-{draw.randrange(3)}", name, value, START + time)
            )
    return events


def defined(
    features: Sequence[Feature], before: Sequence[Event], transaction: Transaction
) -> dict[str, Value]:
    """The features of a transaction by their definition: every event that came before it is looked
    at, for each feature. Only where no window reaches behind what is kept."""
    came: dict[str, Transaction] = {}
    for event in before:
        if isinstance(event, Transaction):
            came.setdefault(event.id, event)
    return {
        one.name: _value(one.source, before, list(came.values()), transaction) for one in features
    }


def _value(
    source: Any, before: Sequence[Event], came: Sequence[Transaction], transaction: Transaction
) -> Value:
    entity = transaction.entities.get(source.entity)
    if entity is None:
        return source.default
    if isinstance(source, Lookup):
        told = [
            (one.observed_at, index, one.value)
            for index, one in enumerate(before)
            if isinstance(one, Attribute)
            and (one.entity, one.id, one.name) == (source.entity, entity, source.attribute)
        ]
        return max(told)[2] if told else source.default
    width = seconds(source.bucket) * SECOND
    last = transaction.time // width - (
        seconds(source.delay) * SECOND // width if source.delay else 0
    )
    first = last - seconds(source.window) * SECOND // width + 1
    its = [
        one
        for one in came
        if one.entities.get(source.entity) == entity and first <= one.time // width <= last
    ]
    if isinstance(source, LabelRate):
        said: dict[str, tuple[int, bool]] = {}
        for one in before:
            if isinstance(one, Label):
                known = (one.observed_at, one.fraud)
                said[one.transaction_id] = max(known, said.get(one.transaction_id, known))
        verdicts = [said[one.id][1] for one in its if one.id in said]
        return sum(verdicts) / len(verdicts) if verdicts else source.default
    if source.currency:
        its = [one for one in its if one.currency == source.currency]
    amounts = [one.amount_minor for one in its]
    if source.aggregate == "count":
        return float(len(its))
    if source.aggregate == "sum":
        return float(sum(amounts))
    if source.aggregate == "distinct":
        members = {one.entities[source.of] for one in its if source.of in one.entities}
        return float(min(len(members), source.most))
    if not its:
        return source.default
    if source.aggregate == "mean":
        return sum(amounts) / len(amounts)
    if source.aggregate == "max":
        return float(max(amounts))
    return max(0, transaction.time - max(one.time for one in its)) / SECOND
