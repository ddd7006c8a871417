"""The handbook's windows as a manifest declares them, and its transactions as histories take them.

The windows are of buckets here, where `features.py` has exact ones: a day is the last 24 hours that
have begun, so it reaches back 23 to 24 hours; longer ones are of days. docs/features.md says more.
"""

from __future__ import annotations

from collections.abc import Iterator

from examples.handbook.features import DELAY, WINDOWS
from examples.handbook.simulator import DAY, Transactions
from fraud_scorer.artifact.features import Aggregate, LabelRate, Window
from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.features.events import Label, Transaction, microseconds

CURRENCY = "EUR"
_SECOND = 1_000_000


def declared() -> tuple[Feature, ...]:
    """The twelve features that are kept of customers and terminals."""
    features = []
    for days in WINDOWS:
        count, mean = _of_customer("count", days), _of_customer("mean", days)
        features += [
            Feature(name=f"customer_count_{days}d", type="number", source=count),
            Feature(name=f"customer_mean_amount_{days}d", type="number", source=mean),
        ]
    for days in WINDOWS:
        window, delay = f"{days}d", f"{DELAY}d"
        features += [
            Feature(
                name=f"terminal_count_{days}d",
                type="number",
                source=Window(
                    entity="terminal", aggregate="count", window=window, bucket="1d",
                    delay=delay, currency=CURRENCY, default=0.0,
                ),
            ),
            Feature(
                name=f"terminal_fraud_share_{days}d",
                type="number",
                source=LabelRate(
                    entity="terminal", window=window, bucket="1d", delay=delay, default=0.0
                ),
            ),
        ]  # fmt: skip
    return tuple(features)


def transactions(data: Transactions) -> Iterator[Transaction]:
    """As they come, one after the other."""
    start = microseconds(data.start)
    columns = zip(
        data.seconds.tolist(),
        data.customer.tolist(),
        data.terminal.tolist(),
        data.amount_minor.tolist(),
        strict=True,
    )
    for number, (second, customer, terminal, amount) in enumerate(columns):
        entities = {"customer": f"c-{customer}", "terminal": f"t-{terminal}"}
        yield Transaction(f"tx-{number}", start + second * _SECOND, entities, amount, CURRENCY)


def labels(data: Transactions) -> Iterator[Label]:
    """What becomes known of each transaction, a week after it."""
    start = microseconds(data.start) + DELAY * DAY * _SECOND
    columns = zip(data.seconds.tolist(), data.fraud.tolist(), strict=True)
    for number, (second, fraud) in enumerate(columns):
        yield Label(f"tx-{number}", start + second * _SECOND, fraud)


def _of_customer(aggregate: Aggregate, days: int) -> Window:
    bucket = "1h" if days == 1 else "1d"
    return Window(
        entity="customer", aggregate=aggregate, window=f"{days}d", bucket=bucket,
        currency=CURRENCY, default=0.0,
    )  # fmt: skip
