"""The features of past transactions, as they would have been when each came: what to train on.

    rows = materialise(transactions, labels, layout)

goes through months in one pass, one transaction at a time, and holds the histories of all entities
in memory (a few kilobytes each). The order is that of arrival: what comes first is seen by what
comes later, whatever their times say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.layout import Layout
from fraud_scorer.features.memory import Histories
from fraud_scorer.features.values import Values

Event = Transaction | Label | Attribute


def materialise(
    transactions: Iterable[Transaction],
    labels: Iterable[Label],
    layout: Layout,
    attributes: Iterable[Attribute] = (),
) -> Iterator[dict[str, Value]]:
    """For each transaction the declared features, of what was before it.

    Transactions must be in the order of their times (which is then taken for the order in which
    they came), labels and attributes in the order in which they were observed. What was observed
    at the time of a transaction is known to it.
    """
    events: list[Iterable[Event]] = [labels, attributes, transactions]
    return replay(merge(*events, key=_time), layout)


def replay(events: Iterable[Event], layout: Layout) -> Iterator[dict[str, Value]]:
    """The same for events in the order in which they came: late ones late, repeated ones again.

    A transaction that came before has the features that it had then, and counts once.
    """
    histories = Histories(layout)
    values = Values(layout)
    for event in events:
        if isinstance(event, Transaction):
            yield values.of(histories.observe(event), event.time)
        elif isinstance(event, Label):
            histories.label(event)
        else:
            histories.attribute(event)


def _time(event: Event) -> int:
    return event.time if isinstance(event, Transaction) else event.observed_at
