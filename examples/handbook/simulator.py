"""The handbook's transaction simulator: customers, terminals, transactions and three frauds.

`simulate()` makes the published data set: half a year of 5,000 customers at 10,000 terminals, with
the published draws, in seconds. Another seed or size makes another business by the same rules.
Amounts are integers in minor units (cents). docs/data.md has the totals beside the published ones.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from examples.handbook.streams import Floats, Integers, Streams, choices

DAY = 86_400
"""Seconds."""

_NOON, _TIME_SPREAD = DAY / 2, 20_000
_LARGE_AMOUNT = 220_00
"""Above it, in minor units, a transaction is a fraud of the first scenario."""
_TERMINALS_A_DAY, _TERMINAL_DAYS = 2, 28
_CUSTOMERS_A_DAY, _CUSTOMER_DAYS, _CUSTOMER_SHARE, _CUSTOMER_FACTOR = 3, 14, 3, 5
_SEED_STEP = 100_000
"""How far the streams of one seed lie from those of the next; so many customers at most."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The size of the business. The defaults, with seed 0, are the published data set.

    A customer uses the terminals within `radius` of him on a map of 100 by 100.
    """

    customers: int = 5_000
    terminals: int = 10_000
    radius: float = 5.0
    days: int = 183
    start: datetime = datetime(2018, 4, 1, tzinfo=UTC)
    seed: int = 0

    def __post_init__(self) -> None:
        if not _CUSTOMERS_A_DAY <= self.customers <= _SEED_STEP:
            raise ValueError(f"customers must be {_CUSTOMERS_A_DAY} to {_SEED_STEP}")
        if self.terminals < _TERMINALS_A_DAY:
            raise ValueError(f"terminals must be at least {_TERMINALS_A_DAY}")
        if self.days < 1 or not 0 <= self.seed < 2**32 // _SEED_STEP:
            raise ValueError(f"days must be positive and seed 0 to {2**32 // _SEED_STEP - 1}")


@dataclass(frozen=True, slots=True)
class Transactions:
    """Columns of equal length, ordered by time; a transaction's number is its position."""

    start: datetime
    seconds: Integers
    """Since `start`."""
    customer: Integers
    terminal: Integers
    amount_minor: Integers
    scenario: NDArray[np.int8]
    """0 for an honest transaction, else the number of the fraud's scenario."""

    @property
    def day(self) -> Integers:
        """Whole days since `start`."""
        return self.seconds // DAY

    @property
    def fraud(self) -> NDArray[np.bool_]:
        """Whether each transaction is a fraud."""
        return self.scenario > 0

    def __len__(self) -> int:
        return len(self.seconds)

    def where(self, chosen: NDArray[np.bool_] | Integers | slice) -> Transactions:
        """Only the chosen transactions."""
        return Transactions(
            start=self.start,
            seconds=self.seconds[chosen],
            customer=self.customer[chosen],
            terminal=self.terminal[chosen],
            amount_minor=self.amount_minor[chosen],
            scenario=self.scenario[chosen],
        )


def simulate(parameters: Parameters | None = None) -> Transactions:
    """The labelled transactions of one business; equal parameters give equal transactions."""
    parameters = parameters or Parameters()
    return labelled(spend(parameters), parameters)[0]


def homes(parameters: Parameters) -> Floats:
    """Where each customer lives on the map, (customers, 2)."""
    return 100 * _profiles(parameters)[:, :2]


def spend(parameters: Parameters) -> Transactions:
    """What the customers buy, with no fraud in it yet."""
    base = parameters.seed * _SEED_STEP
    profiles = _profiles(parameters)
    homes = 100 * profiles[:, :2]
    means, rates = 5 + 95 * profiles[:, 2], 4 * profiles[:, 3]
    sites = 100 * np.random.RandomState(base + 1).random_sample((parameters.terminals, 2))

    customers, seconds, amounts = _purchases(means, rates, base, parameters.days)
    by_customer = np.argsort(customers, kind="stable")
    customers, seconds, amounts = (a[by_customer] for a in (customers, seconds, amounts))
    terminals = _terminals(customers, homes, sites, parameters.radius, base)

    reached = terminals >= 0
    order = np.flatnonzero(reached)[np.argsort(seconds[reached], kind="stable")]
    return Transactions(
        start=parameters.start,
        seconds=seconds[order],
        customer=customers[order],
        terminal=terminals[order],
        amount_minor=amounts[order],
        scenario=np.zeros(len(order), dtype=np.int8),
    )


def labelled(
    honest: Transactions, parameters: Parameters
) -> tuple[Transactions, tuple[int, int, int]]:
    """The transactions with the three frauds in them, and how many each scenario added.

    The scenarios come one after the other. A later one takes transactions over from an earlier
    one, so that the number it added is not the number that bears its label in the end.
    """
    amounts = honest.amount_minor.copy()
    scenario = honest.scenario.copy()
    days = range(int(honest.day.max(initial=0)))
    base = parameters.seed * _SEED_STEP

    scenario[amounts > _LARGE_AMOUNT] = 1
    totals = [int((scenario > 0).sum())]

    at_terminal = _Grouped(honest.terminal, parameters.terminals, honest.day)
    for day in days:
        for terminal in _drawn(base + day, parameters.terminals, _TERMINALS_A_DAY):
            scenario[at_terminal.between(terminal, day, day + _TERMINAL_DAYS)] = 2
    totals.append(int((scenario > 0).sum()))

    of_customer = _Grouped(honest.customer, parameters.customers, honest.day)
    for day in days:
        theirs = np.concatenate(
            [
                of_customer.between(customer, day, day + _CUSTOMER_DAYS)
                for customer in _drawn(base + day, parameters.customers, _CUSTOMERS_A_DAY)
            ]
        )
        theirs.sort()
        stolen = random.Random(base + day).sample(theirs.tolist(), len(theirs) // _CUSTOMER_SHARE)
        amounts[stolen] *= _CUSTOMER_FACTOR
        scenario[stolen] = 3
    totals.append(int((scenario > 0).sum()))

    first, second, third = totals
    frauds = replace(honest, amount_minor=amounts, scenario=scenario)
    return frauds, (first, second - first, third - second)


def _profiles(parameters: Parameters) -> Floats:
    """Each customer's place, mean amount and purchases a day, all from 0 to 1."""
    generator = np.random.RandomState(parameters.seed * _SEED_STEP)
    return generator.random_sample((parameters.customers, 4))


def _purchases(
    means: Floats, rates: Floats, base: int, days: int
) -> tuple[Integers, Integers, Integers]:
    """Customer, second and amount of every purchase; a customer's in the order of his draws."""
    streams = Streams(range(base, base + len(means)))
    everybody = np.arange(len(means))
    customers, seconds, amounts = [], [], []
    for day in range(days):
        counts = streams.poisson(everybody, rates)
        for purchase in range(int(counts.max(initial=0))):
            rows = np.flatnonzero(counts > purchase)
            time = np.trunc(_NOON + _TIME_SPREAD * streams.normal(rows))
            within = (time > 0) & (time < DAY)
            rows = rows[within]
            amount = means[rows] + means[rows] / 2 * streams.normal(rows)
            negative = amount < 0
            amount[negative] = 2 * means[rows[negative]] * streams.random(rows[negative])
            customers.append(rows)
            seconds.append(time[within].astype(np.int64) + day * DAY)
            amounts.append(np.rint(amount * 100).astype(np.int64))
    if not customers:
        return (np.empty(0, dtype=np.int64),) * 3
    return np.concatenate(customers), np.concatenate(seconds), np.concatenate(amounts)


def _terminals(
    customers: Integers, homes: Floats, sites: Floats, radius: float, base: int
) -> Integers:
    """The terminal of each purchase, -1 where the customer reaches none; `customers` is sorted."""
    bounds = np.searchsorted(customers, np.arange(len(homes) + 1))
    terminals = np.full(len(customers), -1)
    x, y = sites.T.copy()
    for customer, (home_x, home_y) in enumerate(homes):
        near = np.flatnonzero(np.sqrt((x - home_x) ** 2 + (y - home_y) ** 2) < radius)
        first, last = bounds[customer], bounds[customer + 1]
        if near.size and last > first:
            terminals[first:last] = near[choices(base + customer, near.size, int(last - first))]
    return terminals


def _drawn(seed: int, population: int, count: int) -> list[int]:
    """Who is compromised: `count` of `population`, as pandas samples with `seed`."""
    drawn = np.random.RandomState(seed).choice(population, size=count, replace=False)
    return [int(one) for one in drawn]


class _Grouped:
    """Transactions by terminal or by customer, so that a day's need no look at all the others."""

    def __init__(self, keys: Integers, groups: int, days: Integers) -> None:
        self._order = np.argsort(keys, kind="stable")
        self._bounds = np.searchsorted(keys[self._order], np.arange(groups + 1))
        self._days = days

    def between(self, key: int, first_day: int, end_day: int) -> Integers:
        """The positions of that key's transactions from `first_day` to before `end_day`."""
        positions = self._order[self._bounds[key] : self._bounds[key + 1]]
        first, end = np.searchsorted(self._days[positions], (first_day, end_day))
        return positions[first:end]
