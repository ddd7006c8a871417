"""Answers that wait for a store: nothing overtakes them, and a connection's limits hold all the
same, on both ways."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest

from fraud_scorer.artifact.features import Window
from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.http import turns
from fraud_scorer.http.connection import ConnectionLimits
from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.pipeline.features import Known
from fraud_scorer.pipeline.stages import Stages
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import BODY, Running, ended, get, post, read_answer, scorer, until
from tests.unit.scorer.support import FakeModel, fake_loaded, manifest_of, transaction

pytestmark = [pytest.mark.slow]


class Held:
    """A store that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: deque[Callable[[Known], None]] = deque()
        self.together: list[int] = []

    def follow(self, models: Iterable[LoadedModel]) -> bool:
        return True

    def ask(self, request: ScoreRequest, mark: bytes, done: Callable[[Known], None]) -> None:
        self.asked.append(done)

    async def one(self) -> None:
        """Answer the next question, once it is asked."""
        await until(lambda: bool(self.asked))
        self.asked.popleft()({})

    async def all(self, count: int) -> None:
        for _ in range(count):
            await self.one()


@asynccontextmanager
async def waiting(
    model: LoadedModel, hot: bool, connections: ConnectionLimits | None = None
) -> AsyncIterator[tuple[Running, Held]]:
    held = Held()
    async with scorer(model, hot=hot, connections=connections, stages=Stages(held)) as running:
        yield running, held


def connections(running: Running) -> int:
    return len(running.server.server_state.connections)


async def test_an_answer_comes_when_it_is_there_and_the_connection_is_kept(
    model: LoadedModel, hot: bool
) -> None:
    async with waiting(model, hot) as (running, held):
        reader, writer = await running.connect()
        for _ in range(3):  # the first head is parsed, the others are known
            writer.write(post())
            await until(lambda: bool(held.asked))
            await held.one()
            answer = await read_answer(reader)
            assert (answer.status, answer.last) == (200, False)
        assert running.server.server_state.total_requests == (0 if hot else 3)
        writer.close()


async def test_what_one_model_takes_is_checked_for_another_that_has_come_meanwhile(
    model: LoadedModel, hot: bool
) -> None:
    count = Window(entity="customer", aggregate="count", window="1d", bucket="1h", default=0.25)
    features = (Feature(name="a", type="number"), Feature(name="b", type="number", source=count))
    manifest = manifest_of(features, {"a": 0.5, "b": 3.0})
    first = fake_loaded(FakeModel(features), manifest)
    async with waiting(first, hot) as (running, held):
        sent = json.dumps(transaction({"a": 0.25})).encode()
        before = asyncio.create_task(running.score(sent))
        await held.one()
        assert (await before).json()["score"] == 0.25
        after = asyncio.create_task(running.score(sent))
        await until(lambda: bool(held.asked))
        running.registry.install(model)
        running.registry.activate(model.revision)
        await held.one()
        answer = await after
        assert answer.status_code == 422
        assert "is not a feature of model" in answer.text


async def test_it_is_under_way_until_then(model: LoadedModel, hot: bool) -> None:
    async def under_way() -> bytes:
        shown = (await running.management.get("/metrics")).content
        return next(x for x in shown.splitlines() if x.startswith(b"fraud_scorer_requests_in_fl"))

    async with waiting(model, hot) as (running, held):
        reader, writer = await running.connect()
        writer.write(post())
        await until(lambda: bool(held.asked))
        assert (await under_way()).endswith(b" 1.0")
        await held.one()
        await read_answer(reader)
        assert (await under_way()).endswith(b" 0.0")
        writer.close()


@pytest.mark.parametrize("together", [True, False], ids=["in one piece", "one by one"])
async def test_nothing_overtakes(model: LoadedModel, hot: bool, together: bool) -> None:
    requests = [post(), get(), post(), post(body=b"{"), get(b"/nothing"), post()]
    async with waiting(model, hot) as (running, held):
        reader, writer = await running.connect()
        if together:
            writer.write(b"".join(requests))
        for one in () if together else requests:
            writer.write(one)
            await writer.drain()
            await until(lambda: bool(held.asked))
        await until(lambda: bool(held.asked))
        assert len(held.asked) == 1  # what is behind it has not even been asked
        statuses = []
        for expected in (200, 200, 200, 400, 404, 200):
            if expected == 200 and len(statuses) != 1:
                await held.one()
            statuses.append((await read_answer(reader)).status)
        assert statuses == [200, 200, 200, 400, 404, 200]
        writer.close()


async def test_what_comes_meanwhile_is_not_read(model: LoadedModel) -> None:
    async with waiting(model, True) as (running, held):
        reader, writer = await running.connect()
        writer.write(post())
        await until(lambda: bool(held.asked))
        (connection,) = running.server.server_state.connections
        writer.write(post() * 10_000)
        await until(lambda: connection.flow.held)
        assert len(held.asked) == 1
        count = 1
        while count < 10_001:
            await held.one()
            assert (await read_answer(reader)).status == 200
            count += 1
            if count == 50:
                break
        writer.transport.abort()


async def test_a_client_that_leaves_costs_nobody_anything(model: LoadedModel, hot: bool) -> None:
    async with waiting(model, hot) as (running, held):
        _, writer = await running.connect()
        writer.write(post())
        await until(lambda: bool(held.asked))
        reset = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        writer.transport.abort()
        await until(lambda: connections(running) == 0)
        await held.one()
        shown = (await running.management.get("/metrics")).text
        assert "fraud_scorer_requests_in_flight 0.0" in shown
        reader, writer = await running.connect()
        writer.write(post())
        await held.one()
        assert (await read_answer(reader)).status == 200
        writer.close()


async def test_a_client_that_sends_no_more_is_answered(model: LoadedModel, hot: bool) -> None:
    async with waiting(model, hot) as (running, held):
        reader, writer = await running.connect()
        writer.write(post() + post())
        writer.write_eof()
        await held.one()
        assert (await read_answer(reader)).status == 200
        await held.one()
        assert (await read_answer(reader)).status == 200
        assert await ended(reader)
        writer.close()


async def test_a_server_that_stops_waits_for_it(model: LoadedModel, hot: bool) -> None:
    async with waiting(model, hot) as (running, held):
        reader, writer = await running.connect()
        writer.write(post())
        await until(lambda: bool(held.asked))
        running.server.stop()
        await until(lambda: running.application.closing)
        await held.one()
        answer = await read_answer(reader)
        assert (answer.status, answer.last) == (200, True)
        assert await ended(reader)
        writer.close()


async def test_an_old_connection_ends_with_it(model: LoadedModel, hot: bool) -> None:
    async with waiting(model, hot, ConnectionLimits(age_seconds=0.0)) as (running, held):
        reader, writer = await running.connect()
        writer.write(post())
        await held.one()
        answer = await read_answer(reader)
        assert (answer.status, answer.last) == (200, True)
        assert await ended(reader)
        writer.close()


async def test_waiting_for_it_is_not_being_idle(model: LoadedModel, hot: bool) -> None:
    async with waiting(model, hot, ConnectionLimits(idle_seconds=0.05)) as (running, held):
        reader, writer = await running.connect()
        writer.write(post())
        await until(lambda: bool(held.asked))
        other_reader, other = await running.connect()
        assert await ended(other_reader)  # as long as it takes to be idle
        other.close()
        await held.one()
        assert (await read_answer(reader)).status == 200
        assert await ended(reader)  # and now it is
        writer.close()


async def test_nonsense_behind_it_is_answered_after_it(model: LoadedModel, hot: bool) -> None:
    async with waiting(model, hot) as (running, held):
        reader, writer = await running.connect()
        writer.write(post() + b"NONSENSE\r\n\r\n")
        await held.one()
        assert (await read_answer(reader)).status == 200
        refusal = await read_answer(reader)
        assert (refusal.status, refusal.last) == (400, True)
        writer.close()


@pytest.fixture
def one_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch has all the time that it needs, also on a machine that is busy."""
    monkeypatch.setattr(turns, "SLICE_SECONDS", math.inf)


@pytest.mark.usefixtures("one_slice")
async def test_items_of_a_batch_wait_together(model: LoadedModel) -> None:
    wrong = json.dumps({**transaction(), "currency": "eur"}).encode()
    async with waiting(model, True) as (running, held):
        reader, writer = await running.connect()
        batch = b"[" + b",".join([BODY, BODY, wrong, BODY]) + b"]"
        writer.write(post(b"Connection: close", body=batch).replace(b"/score", b"/score/batch", 1))
        await until(lambda: len(held.asked) == 3)
        held.asked.reverse()  # the answers' order is that of the items all the same
        await held.all(3)
        answer = await reader.read()
        assert answer.count(b'"prediction_id"') == 3
        assert answer.index(b'"item":2') < answer.rindex(b'"prediction_id"')
        writer.close()


@pytest.mark.usefixtures("one_slice")
async def test_rows_of_the_inference_protocol_wait_together(model: LoadedModel) -> None:
    async with waiting(model, True) as (running, held):
        shown = (await running.client.get("/openapi.json")).json()
        path = "/v2/models/{name}/infer"
        operation = shown["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        two = {
            **operation["example"],
            "inputs": [
                {**one, "shape": [2], "data": one["data"] * 2}
                for one in operation["example"]["inputs"]
            ],
        }
        reader, writer = await running.connect()
        body = json.dumps(two).encode()
        data = post(b"Connection: close", body=body)
        writer.write(data.replace(b"/v1/score", b"/v2/models/card-payments/infer", 1))
        await until(lambda: len(held.asked) == 2)
        await held.all(2)
        answer = await read_answer(reader)
        assert answer.status == 200
        outputs = {one["name"]: one["data"] for one in json.loads(answer.body)["outputs"]}
        assert len(set(outputs["prediction_id"])) == 2
        writer.close()
