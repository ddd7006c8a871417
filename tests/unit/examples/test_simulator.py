"""The simulated business, small: what every parameter and every fraud means."""

from dataclasses import fields, replace

import numpy as np
import pytest

from examples.handbook.simulator import DAY, Parameters, Transactions, labelled, simulate, spend

SMALL = Parameters(customers=60, terminals=100, radius=20, days=60)


@pytest.fixture(scope="module")
def honest() -> Transactions:
    return spend(SMALL)


@pytest.fixture(scope="module")
def business() -> Transactions:
    return simulate(SMALL)


def columns(transactions: Transactions) -> list[list[int]]:
    names = [field.name for field in fields(transactions) if field.name != "start"]
    return [getattr(transactions, name).tolist() for name in names]


def test_the_seed_decides_everything(business: Transactions) -> None:
    assert columns(simulate(SMALL)) == columns(business)
    assert columns(simulate(replace(SMALL, seed=1))) != columns(business)


def test_transactions_are_in_order_of_time_and_within_the_days(business: Transactions) -> None:
    assert (np.diff(business.seconds) >= 0).all()
    assert business.day.min() == 0
    assert business.day.max() == SMALL.days - 1
    assert (business.seconds % DAY > 0).all()


def test_customers_spend_at_the_terminals_around_them(honest: Transactions) -> None:
    homes = 100 * np.random.RandomState(0).random_sample((SMALL.customers, 4))[:, :2]
    sites = 100 * np.random.RandomState(1).random_sample((SMALL.terminals, 2))
    distance = np.hypot(*(homes[honest.customer] - sites[honest.terminal]).T)
    assert distance.max() < SMALL.radius
    assert len(set(honest.terminal.tolist())) > SMALL.terminals / 2


def test_a_customer_without_a_terminal_buys_nothing() -> None:
    assert len(simulate(replace(SMALL, radius=0))) == 0


def test_a_large_amount_is_a_fraud(honest: Transactions) -> None:
    dear = replace(honest, amount_minor=np.where(honest.day == 59, 220_01, 220_00))
    frauds, added = labelled(dear, SMALL)
    large = dear.amount_minor > 220_00
    assert added[0] == large.sum() > 0
    assert (frauds.scenario[large] > 0).all()
    assert not (frauds.scenario[~large] == 1).any()


def test_a_compromised_terminal_is_so_for_28_days(
    honest: Transactions, business: Transactions
) -> None:
    first_day = np.random.RandomState(0).choice(SMALL.terminals, size=2, replace=False)
    theirs = np.isin(honest.terminal, first_day)
    assert business.fraud[theirs & (honest.day < 28)].all()
    assert not business.fraud[theirs & (honest.day >= 28)].all()


def test_a_third_of_stolen_cards_transactions_are_five_times_as_large(
    honest: Transactions, business: Transactions
) -> None:
    stolen = business.scenario == 3
    assert stolen.any()
    factor = business.amount_minor[stolen] / np.maximum(honest.amount_minor[stolen], 1)
    assert set(factor.tolist()) <= {5, 25, 125}, "a card can be stolen again while it is stolen"
    assert (business.amount_minor[~stolen] == honest.amount_minor[~stolen]).all()
    first_day = np.random.RandomState(0).choice(SMALL.customers, size=3, replace=False)
    theirs = np.isin(honest.customer, first_day) & (honest.day < 14)
    assert stolen[theirs].sum() >= theirs.sum() // 3


def test_what_the_scenarios_added_are_all_frauds(honest: Transactions) -> None:
    business, added = labelled(honest, SMALL)
    assert sum(added) == business.fraud.sum()


@pytest.mark.parametrize(
    "wrong", [{"customers": 2}, {"terminals": 1}, {"days": 0}, {"seed": -1}, {"seed": 42_949}]
)
def test_an_impossible_business_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(SMALL, **wrong)  # type: ignore[arg-type]
