"""Allow and deny lists over the API port, with the rights of a scorer."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from fraud_scorer.ledger import lists, lookups
from fraud_scorer.ledger.database import Database, DatabaseError
from fraud_scorer.ledger.entries import Acted, decode
from tests.support.ledger import Connection, count
from tests.support.records_api import api, problem, send, until

words = partial(send, to="/v1/lists")

WORD: dict[str, Any] = {
    "list": "deny",
    "action": "add",
    "kind": "customer",
    "id": "c-17",
    "reason": "stolen card",
}
FOR_LONG = "2999-01-01T00:00:00Z"
ALLOW = WORD | {"list": "allow", "id": "c-2", "reason": "the chief", "expires_at": FOR_LONG}


class TestLists:
    """GET and POST /v1/lists."""

    async def test_who_is_on_them_and_who_was(self, scorer: Database) -> None:
        told: list[None] = []
        async with api(scorer, lists_changed=lambda: told.append(None)) as client:
            added = await words(client, [WORD, ALLOW])
            assert added.json() == {"added": 2, "removed": 0, "not_listed": 0}
            removal = WORD | {"action": "remove", "reason": "found again"}
            removed = await words(client, [removal, removal])
            assert removed.json() == {"added": 0, "removed": 2, "not_listed": 1}
            assert len(told) == 2
            (entry,) = (await client.get("/v1/lists")).json()["words"]
            assert entry["expires_at"] == FOR_LONG
            assert (entry["list"], entry["id"], entry["by"]) == ("allow", "c-2", "ann")
            of_one = await client.get("/v1/lists?kind=customer&id=c-17&list=deny&history=true")
            assert [(one["action"], one["reason"]) for one in of_one.json()["words"]] == [
                ("add", "stolen card"), ("remove", "found again"), ("remove", "found again"),
            ]  # fmt: skip
        with scorer.connect() as connection:
            looks = lookups.accesses(connection, "c-17")
            assert [(one.principal, one.action, one.found) for one in looks] == [
                ("ann", "lists", 3)
            ]
            bodies = connection.execute("SELECT body FROM audit WHERE kind = 'acted'").fetchall()
        acted = [decode(body) for (body,) in bodies]
        assert {one.action for one in acted if isinstance(one, Acted)} == {
            "list.deny.add", "list.allow.add", "list.deny.remove", "look.lists",
        }  # fmt: skip
        assert not any("c-17" in body for (body,) in bodies)

    async def test_page_by_page(self, client: httpx.AsyncClient) -> None:
        await words(client, [WORD | {"id": f"c-{number}"} for number in range(5)])
        found, after = [], 0
        while after is not None:
            page = (await client.get("/v1/lists", params={"limit": 2, "after": after})).json()
            found += [one["id"] for one in page["words"]]
            after = page["next_after"]
        assert found == [f"c-{number}" for number in range(5)]

    async def test_a_word_sent_twice_is_there_once(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        for _ in range(2):
            assert (await words(client, [WORD], key="once")).json()["added"] == 1
        assert count(connection, "list_entries") == 1

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"list": "grey"}, "#/1/list"),
            ({"kind": "Customer"}, "#/1/kind"),
            ({"reason": ""}, "#/1/reason"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "#/1/expires_at"),
            ({"action": "remove", "expires_at": "2999-01-01T00:00:00Z"}, "#/1/expires_at"),
        ],
    )
    async def test_what_is_wrong_is_named(
        self, client: httpx.AsyncClient, connection: Connection, changes: Any, pointer: str
    ) -> None:
        document = problem(await words(client, [WORD, WORD | changes]), 422, "invalid-record")
        assert [one["pointer"] for one in document["errors"]] == [pointer]
        assert count(connection, "list_entries") == 0

    async def test_what_was_said_cannot_be_changed(
        self, client: httpx.AsyncClient, scorer: Database, connection: Connection
    ) -> None:
        await words(client, [WORD])
        with pytest.raises(DatabaseError, match="permission denied"), scorer.connect() as as_scorer:
            as_scorer.execute("DELETE FROM list_entries")
        with pytest.raises(psycopg.Error, match="append-only"):
            connection.execute("UPDATE list_entries SET reason = 'none'")

    async def test_who_reads_on_lacks_nothing(
        self, scorer: Database, connection: Connection
    ) -> None:
        """Numbers come in the order of commits: nobody's lower one appears later."""
        word = msgspec.convert(WORD, lists.Word)
        slow = threading.Event()

        def say(name: str, wait: bool) -> None:
            with scorer.connect() as mine, mine.transaction():
                lists.say(mine, [msgspec.structs.replace(word, id=name)], by="a")
                if wait:
                    slow.wait(20)

        first = asyncio.create_task(asyncio.to_thread(say, "first", True))
        await until(lambda: _waits_for_lock(connection, held=True))
        second = asyncio.create_task(asyncio.to_thread(say, "second", False))
        await until(lambda: _waits_for_lock(connection, held=False))
        assert lists.since(connection, 0) == []
        slow.set()
        await asyncio.gather(first, second)
        assert [one.id for one in lists.since(connection, 0)] == ["first", "second"]
        assert [one.id for one in lists.holding(connection)] == ["first", "second"]


def _waits_for_lock(connection: Connection, *, held: bool) -> bool:
    """Whether somebody has the lock of those who add words, or waits for it."""
    (found,) = connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted = %s"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [held],
    ).fetchone() or (0,)
    return bool(found)
