"""Labels and look-ups over the API port, with the rights of a scorer, whatever Postgres does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fraud_scorer.http.records.refreshing import Refreshing
from fraud_scorer.http.records.transactions import OldRecords
from fraud_scorer.ledger import lookups
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.seals import Signer, Verifier
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import (
    Connection,
    answered,
    count,
    migrated,
    personal,
    recorded_twice,
    ship,
    writer,
)
from tests.support.postgres import PostgresServer
from tests.support.records_api import JSON, LABEL, api, problem, send, until


@pytest.fixture
def shipped(spool: Spool, ledger: Database, archive: Archive, signer: Signer) -> None:
    """Twenty answers; one of them given twice, and looked at by a shadow."""
    recorded_twice(spool, range(20))
    ship(spool, ledger, archive, signer)


@pytest.mark.usefixtures("shipped")
class TestLabels:
    """POST /v1/labels."""

    @pytest.mark.parametrize("form", ["one", "array", "lines"])
    async def test_it_is_recorded_with_who_sent_it(
        self, client: httpx.AsyncClient, connection: Connection, form: str
    ) -> None:
        sent: Any = LABEL if form == "one" else [LABEL, LABEL | {"transaction_id": "tx-late"}]
        response = await send(client, sent, lines=form == "lines")
        assert response.status_code == 200
        more = 0 if form == "one" else 1
        assert response.json() == {"new": 1 + more, "known": 0, "unmatched": more}
        rows = connection.execute(
            "SELECT transaction_id, label, observed_at, source, added_by FROM labels"
            " WHERE transaction_id = 'tx-10'"
        ).fetchall()
        assert rows == [("tx-10", "chargeback", datetime(2026, 2, 3, 8, tzinfo=UTC), "visa", "ann")]
        again = await send(client, sent, lines=form == "lines")
        assert again.json() == {"new": 0, "known": 1 + more, "unmatched": 0}

    async def test_a_key_has_one_effect_and_one_answer(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        key = "6f1c"
        first = await send(client, LABEL, key=key)
        again = await send(client, LABEL, key=key)
        assert first.json() == again.json() == {"new": 1, "known": 0, "unmatched": 0}
        other = await send(client, LABEL | {"label": "cleared"}, key=key)
        assert "new key" in problem(other, 409, "idempotency-key-taken")["detail"]
        assert count(connection, "labels") == 1
        of_another = await send(client, LABEL, key=key, by="bob")
        assert of_another.json() == {"new": 0, "known": 1, "unmatched": 0}

    async def test_a_key_sent_twice_at_once(self, client: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(send(client, LABEL, key="k") for _ in range(6)))
        assert {one.text for one in answers} == {'{"new":1,"known":0,"unmatched":0}'}

    @pytest.mark.parametrize(
        ("sent", "pointer"),
        [
            (LABEL | {"label": "fraud"}, "#/label"),
            ([LABEL, LABEL | {"event_time": "yesterday"}], "#/1/event_time"),
            ([LABEL, LABEL | {"event_time": "2026-01-05T10:00:00"}], "#/1/event_time"),
            ([LABEL, LABEL | {"observed_at": "2025-01-05T10:00:00Z"}], "#/1/observed_at"),
            (LABEL | {"observed_at": "2999-01-05T10:00:00Z"}, "#/observed_at"),
            ([LABEL | {"more": 1}, LABEL], "#/0"),
            ([LABEL | {"transaction_id": ""}], "#/0/transaction_id"),
            (["tx-1"], "#/0"),
            ({}, "#"),
        ],
    )
    async def test_what_is_wrong_is_named_and_nothing_recorded(
        self, client: httpx.AsyncClient, connection: Connection, sent: object, pointer: str
    ) -> None:
        document = problem(await send(client, sent), 422, "invalid-record")
        assert [one["pointer"] for one in document["errors"]] == [pointer]
        assert count(connection, "labels") == 0

    async def test_a_wrong_line_is_named_by_its_position(self, client: httpx.AsyncClient) -> None:
        response = await send(client, [LABEL, LABEL, LABEL | {"source": 5}], lines=True)
        document = problem(response, 422, "invalid-record")
        assert [one["pointer"] for one in document["errors"]] == ["#/2/source"]

    async def test_what_is_no_json_or_too_much(self, client: httpx.AsyncClient) -> None:
        broken = await client.post("/v1/labels", content=b"{", headers=JSON)
        problem(broken, 400, "malformed-json")
        problem(await send(client, [LABEL] * 51), 413, "too-many-items")
        csv = await client.post("/v1/labels", content=b"a,b", headers={"content-type": "text/csv"})
        problem(csv, 415, "unsupported-media-type")
        key = await send(client, LABEL, key="a b")
        problem(key, 400, "invalid-query")

    async def test_features_of_whom_it_is_about_are_refreshed_and_tried_again(
        self, scorer: Database
    ) -> None:
        tries, done = [], asyncio.Event()

        async def refresh(named: Iterable[tuple[str, str]]) -> None:
            tries.append(sorted(named))
            if len(tries) == 1:
                raise ConnectionError("Redis is away")
            done.set()

        async with api(scorer, refreshing=Refreshing(refresh)) as client:
            await send(client, [LABEL, LABEL | {"transaction_id": "tx-unknown"}])
            await asyncio.wait_for(done.wait(), 20)
        assert tries == [[("customer", "c-3"), ("terminal", "t-0")]] * 2


@pytest.mark.usefixtures("shipped")
class TestTransaction:
    """GET /v1/transactions/{id}."""

    async def test_everything_known(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        await send(client, LABEL)
        response = await client.get("/v1/transactions/tx-10", headers={"x-who": "bob"})
        assert response.status_code == 200
        known = response.json()
        first, again, shadow = known["answers"]
        assert first["entry"]["predictions"][0]["role"] == "active"
        assert first["entry"]["predictions"][0]["reasons"][0]["code"] == "R07"
        assert first["personal"]["entities"] == {"customer": "c-3", "terminal": "t-0"}
        assert "duplicate_of" not in first
        assert (again["duplicate_of"], again["entry"]["duplicate"]) == ("p-10", True)
        assert shadow["entry"]["kind"] == "shadowed"
        assert (first["chain"], first["sequence"]) == (shadow["chain"], 11)
        assert [one["label"] for one in known["labels"]] == ["chargeback"]
        (look,) = lookups.accesses(connection, "tx-10")
        assert (look.principal, look.action, look.found) == ("bob", "transaction", 4)

    async def test_an_unknown_one_and_who_asked(
        self, client: httpx.AsyncClient, connection: Connection
    ) -> None:
        problem(await client.get("/v1/transactions/tx%2Fnone"), 404, "not-found")
        (look,) = lookups.accesses(connection, "tx/none")
        assert (look.principal, look.found) == ("ann", 0)

    async def test_what_postgres_has_no_more_is_in_the_archive(
        self, scorer: Database, archive: Archive, verifier: Verifier, connection: Connection
    ) -> None:
        async with api(scorer, old=OldRecords(lambda: (archive, verifier))) as client:
            path = "/v1/transactions/tx-10"
            hot = (await client.get(path)).json()
            around = {"around": datetime.now(UTC).isoformat(), "within_hours": "48"}
            assert (await client.get(path, params=around)).json() == hot
            for table in ("audit", "transactions", "predictions"):
                connection.execute(f"TRUNCATE {table}".encode())
            assert "around=TIME" in problem(await client.get(path), 404, "not-found")["detail"]
            assert (await client.get(path, params=around)).json() == hot
            long_ago = {"around": (datetime.now(UTC) - timedelta(days=90)).isoformat()}
            problem(await client.get(path, params=long_ago), 404, "not-found")

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("around=yesterday", "with an offset"),
            ("around=2026-01-05T10:00:00", "with an offset"),
            ("around=2026-01-05T10:00:00Z", "no archive"),
            ("within_hours=5", "goes with around"),
            ("since=5", "takes, once each: around, within_hours; not since"),
        ],
    )
    async def test_a_question_that_cannot_be_answered(
        self, client: httpx.AsyncClient, query: str, said: str
    ) -> None:
        response = await client.get(f"/v1/transactions/tx-10?{query}")
        assert said in problem(response, 400, "invalid-query")["detail"]

    async def test_an_archive_that_is_gone(
        self, scorer: Database, archive: Archive, verifier: Verifier, tmp_path: Path
    ) -> None:
        lose_lines(tmp_path)
        async with api(scorer, old=OldRecords(lambda: (archive, verifier))) as client:
            around = {"around": datetime.now(UTC).isoformat()}
            response = await client.get("/v1/transactions/tx-10", params=around)
        assert "audit verify" in problem(response, 503, "archive-unavailable")["detail"]


@pytest.mark.usefixtures("shipped")
class TestUser:
    """GET /v1/users/{id}/features."""

    async def test_history_page_by_page_and_features(
        self, scorer: Database, spool: Spool, ledger: Database, connection: Connection
    ) -> None:
        one, began = writer(spool), datetime(2026, 3, 1, tzinfo=UTC)
        for number in range(30, 35):  # three of them at the same time
            happened = began + timedelta(hours=max(number, 32))
            one.record(answered(number), personal(number, "c-page", event_time=happened))
        one.close()
        ship(spool, ledger)

        async def kept(user: str) -> dict[str, Any]:
            return {"count_24h": 3.0, "of": user}

        async with api(scorer, kept=kept) as client:
            path, found, after = "/v1/users/c-page/features", [], None
            while True:
                asked = {"limit": "2"} | ({"after": after} if after else {})
                page = (await client.get(path, params=asked)).json()
                found += [one["transaction_id"] for one in page["history"]]
                assert page["features"] == {"count_24h": 3.0, "of": "c-page"}
                if not (after := page["next_after"]):
                    break
        assert found == [f"tx-{number}" for number in range(34, 29, -1)]
        looks = lookups.accesses(connection, "c-page")
        assert [(one.principal, one.action) for one in looks] == [("ann", "history")] * 3

    async def test_the_history_does_not_wait_for_features(self, scorer: Database) -> None:
        async def kept(user: str) -> None:
            raise ConnectionError("Redis is away")

        async with api(scorer, kept=kept) as client:
            page = (await client.get("/v1/users/c-3/features")).json()
        assert page["features"] is None
        assert page["history"]

    async def test_what_happened_before_then(self, client: httpx.AsyncClient) -> None:
        path = "/v1/users/c-3/features"
        assert not (await client.get(path, params={"before": "2026-01-05T10:00:00Z"})).json()[
            "history"
        ]
        assert (await client.get(path, params={"before": "2026-01-05T10:00:01Z"})).json()["history"]

    @pytest.mark.parametrize(
        ("query", "said"),
        [("limit=0", "from 1 to 1000"), ("after=5", "next_after"), ("before=5", "with an offset")],
    )
    async def test_a_question_that_cannot_be_answered(
        self, client: httpx.AsyncClient, query: str, said: str
    ) -> None:
        response = await client.get(f"/v1/users/c-3/features?{query}")
        assert said in problem(response, 400, "invalid-query")["detail"]


class TestConnections:
    """What it costs Postgres, and what happens without."""

    @pytest.fixture
    def server(self, own_postgres: PostgresServer) -> Iterator[PostgresServer]:
        """With the schema; as a superuser, as rights are of no interest."""
        migrated(own_postgres.dsn())
        yield own_postgres
        own_postgres.resume()

    async def test_no_more_than_declared_and_none_when_nobody_asks(
        self, server: PostgresServer
    ) -> None:
        async with api(Database(server.dsn(), name="asked"), threads=2, idle=0.3) as client:
            await asyncio.gather(*(send(client, LABEL) for _ in range(20)))
            assert connections(server, "asked") == 2
            await until(lambda: connections(server, "asked") == 0)
            assert (await send(client, LABEL)).status_code == 200

    async def test_a_restart_between_two_requests_is_not_noticed(
        self, server: PostgresServer
    ) -> None:
        async with api(Database(server.dsn(), name="asked"), threads=1) as client:
            await send(client, LABEL)
            server.stop()
            server.start()
            assert (await send(client, LABEL)).json()["known"] == 1

    async def test_stopped(self, server: PostgresServer) -> None:
        async with api(Database(server.dsn(), name="asked")) as client:
            await send(client, LABEL)
            server.stop()
            for response in (
                await send(client, LABEL),
                await client.get("/v1/transactions/tx-10"),
                await client.get("/v1/users/c-1/features"),
            ):
                assert "send the same again" in unavailable(response)["detail"]
                assert response.headers["retry-after"] == "1"
            server.start()
            await comes_back(client)

    async def test_hung(self, server: PostgresServer) -> None:
        """The loop turns meanwhile, and who comes later does not wait."""
        async with api(Database(server.dsn(), name="asked"), patience=1.0) as client:
            await send(client, LABEL)
            server.freeze()
            turns, asked = 0, asyncio.ensure_future(send(client, LABEL))
            while not asked.done():
                turns += 1
                await asyncio.sleep(0.01)
            unavailable(await asked)
            assert turns > 5
            answers = await asyncio.gather(*(send(client, LABEL) for _ in range(60)))
            slugs = {one.json()["type"].rpartition(":")[2] for one in answers}
            assert {one.status_code for one in answers} == {503}
            assert slugs <= {"records-unavailable", "overloaded"}
            server.resume()
            await comes_back(client)

    async def test_read_only(self, server: PostgresServer) -> None:
        """Neither a label is acknowledged, nor is anything shown that cannot be logged."""
        async with api(Database(server.dsn(), name="asked"), threads=1) as client:
            server.sql("ALTER DATABASE postgres SET default_transaction_read_only = on")
            unavailable(await send(client, LABEL))
            unavailable(await client.get("/v1/transactions/tx-10"))
            server.sql(
                "ALTER DATABASE postgres SET default_transaction_read_only = off", "template1"
            )
            await comes_back(client)
        with psycopg.connect(server.dsn()) as connection:
            assert count(connection, "labels") == 1

    async def test_without_the_schema_the_log_says_what_to_do(
        self, own_postgres: PostgresServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with api(Database(own_postgres.dsn(), name="asked")) as client:
            document = unavailable(await send(client, LABEL))
        assert "its log" in document["detail"]
        assert any("migrate" in str(getattr(one, "error", "")) for one in caplog.records)


def unavailable(response: httpx.Response) -> dict[str, Any]:
    return problem(response, 503, "records-unavailable")


def lose_lines(folder: Path) -> None:
    """Of all segments in the archive; their seals stay."""
    for lines in folder.glob("archive/segments/*/*.jsonl.gz"):
        lines.unlink()


def connections(server: PostgresServer, name: str) -> int:
    return int(
        server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'")
    )


async def comes_back(client: httpx.AsyncClient) -> None:
    """It is found again by itself."""
    async with asyncio.timeout(30):
        while (await send(client, LABEL)).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
