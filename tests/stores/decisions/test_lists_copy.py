"""A process's lists are as Postgres has them, whatever was said, deleted or restored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from fraud_scorer.decisions import lists_copy
from fraud_scorer.decisions.lists import Lists
from fraud_scorer.decisions.lists_copy import ANEW, ListsCopy
from fraud_scorer.ledger import lists as store
from fraud_scorer.ledger.database import Connection, Database
from fraud_scorer.ledger.lists import Word

T = TypeVar("T")
NOW = datetime.now(UTC)


def word(entity: str, **changes: Any) -> Word:
    fields: dict[str, Any] = {
        "list": "deny", "action": "add", "kind": "customer", "id": entity, "reason": "stolen",
    }  # fmt: skip
    return Word(**(fields | changes))


class Copied:
    """A copy, and the database that it is of."""

    def __init__(self, ledger: Database) -> None:
        self.ledger, self.now, self.asked, self.away = ledger, 0.0, 0, False
        self.lists = Lists()
        self.looked: list[bool] = []
        self.copy = ListsCopy(
            self.lists, self._ask, looked=self.looked.append, every=0.01, clock=lambda: self.now
        )

    async def _ask(self, work: Callable[[Connection], T]) -> T:
        self.asked += 1
        if self.away:
            raise ConnectionError("Postgres is away")

        def asked() -> T:
            with self.ledger.connect() as connection:
                return work(connection)

        return await asyncio.to_thread(asked)

    def say(self, *words: Word) -> None:
        with self.ledger.connect() as connection:
            store.say(connection, words, by="risk")

    def sql(self, statement: str) -> None:
        with self.ledger.connect() as connection:
            connection.execute(statement.encode())

    def by(self, entity: str, at: datetime = NOW) -> str:
        found = self.lists.listed({"customer": entity}, at.timestamp())
        return "" if found is None else found.by


@pytest.fixture
def copied(ledger: Database) -> Copied:
    return Copied(ledger)


async def test_what_holds_is_read_and_then_what_was_said_since(copied: Copied) -> None:
    copied.say(
        word("a"), word("b"), word("b", action="remove"), word("c", list="allow"),
        word("d", expires_at=NOW + timedelta(hours=1)),
    )  # fmt: skip
    await copied.copy.refresh()
    first = [copied.by(one) for one in "abcd"]
    copied.say(word("a", action="remove"), word("b"), word("c"), word("c", action="remove"))
    await copied.copy.refresh()

    deny, allow = "list.deny.customer", "list.allow.customer"
    assert first == [deny, "", allow, deny]
    assert [copied.by(one) for one in "abcd"] == ["", deny, allow, deny]
    assert copied.by("d", NOW + timedelta(hours=1)) == ""


async def test_more_than_a_page(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_copy, "PAGE", 3)
    copied.say(*(word(f"a{n}") for n in range(10)))
    await copied.copy.refresh()
    copied.say(*(word(f"b{n}") for n in range(10)))
    await copied.copy.refresh()

    assert len(copied.lists) == 20
    assert all(copied.by(f"{name}{n}") for name in "ab" for n in range(10))


async def test_what_is_said_while_all_is_read_is_not_missed(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_copy, "PAGE", 2)
    copied.say(*(word(f"a{n}") for n in range(4)))
    holding, said = store.holding, iter([word("a0", action="remove"), word("new")])

    def slowly(connection: Connection, **asked: Any) -> Any:
        found = holding(connection, **asked)
        if one := next(said, None):
            copied.say(one)
        return found

    monkeypatch.setattr(store, "holding", slowly)
    await copied.copy.refresh()
    await copied.copy.refresh()

    deny = "list.deny.customer"
    assert [copied.by(one) for one in ("a0", "a1", "new")] == ["", deny, deny]


async def test_nothing_new_costs_one_question(copied: Copied) -> None:
    copied.say(word("a"))
    await copied.copy.refresh()
    before = copied.asked
    await copied.copy.refresh()

    assert copied.asked == before + 1


async def test_what_was_deleted_goes_within_the_hour(copied: Copied) -> None:
    copied.say(word("a"), word("b"))
    await copied.copy.refresh()
    copied.sql("DELETE FROM list_entries WHERE entity_id = 'a'")
    copied.now += ANEW
    await copied.copy.refresh()

    assert (copied.by("a"), bool(copied.by("b"))) == ("", True)


async def test_a_restored_database_is_believed(copied: Copied) -> None:
    copied.say(word("a"), word("b"))
    await copied.copy.refresh()
    copied.sql("DELETE FROM list_entries WHERE entity_id = 'b'")
    await copied.copy.refresh()

    assert (bool(copied.by("a")), copied.by("b")) == (True, "")


async def test_with_postgres_away_the_last_copy_holds(copied: Copied) -> None:
    copied.say(word("a"))
    await copied.copy.refresh()
    copied.away = True
    copied.now += 30
    with pytest.raises(ConnectionError):
        await copied.copy.refresh()

    assert copied.by("a")


async def test_it_is_kept_by_itself_and_comes_back(copied: Copied) -> None:
    copied.away = True
    await copied.copy.start(patience=0.0)
    try:
        await _until(lambda: copied.asked >= 2)
        assert not copied.lists.known
        copied.away = False
        copied.say(word("a"))
        copied.copy.changed()
        await _until(lambda: bool(copied.by("a")))
    finally:
        await copied.copy.aclose()
    assert copied.lists.known
    assert (copied.looked[0], copied.looked[-1]) == (False, True)


async def test_who_starts_it_waits_for_the_first_look(copied: Copied) -> None:
    copied.say(word("a"))
    await copied.copy.start(patience=20.0)
    assert copied.by("a")
    await copied.copy.aclose()


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.005)
