"""A process that is behind with its work says so at once, which is cheaper than a late answer."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Sequence

import pytest
import uvloop

from fraud_scorer.http.lag import Lag, overload
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import BODY, post, problem, read_answer, scorer, until
from tests.unit.scorer.support import FEATURES, GOLDEN, FakeModel, fake_loaded, manifest_of


class SaidLag(Lag):
    """Behind as far as the test says."""

    behind = 0.0

    def too_long(self, now: float, transport: asyncio.Transport) -> bool:
        return self.behind > self._limit

    def check(self) -> None:
        if self.behind > self._limit:
            raise overload()


async def test_what_waited_too_long_is_turned_away(model: LoadedModel, hot: bool) -> None:
    lag = SaidLag(1.0)
    async with scorer(model, hot=hot, lag=lag) as running:
        reader, writer = await running.connect()
        for behind, status in ((0.5, 200), (5, 503), (5, 503), (0.5, 200)):
            lag.behind = behind
            writer.write(post())
            answer = await read_answer(reader)
            assert answer.status == status
            assert not answer.last  # connecting anew would cost more than asking anew
            if status == 503:
                assert answer.headers["retry-after"] == "1"
                assert json.loads(answer.body)["type"].endswith(":overloaded")
        text = (await running.management.get("/metrics")).text
        assert "fraud_scorer_shed_total 2.0" in text
        assert 'fraud_scorer_requests_total{route="/v1/score",status="503"} 2.0' in text
        assert 'fraud_scorer_requests_total{route="/v1/score",status="200"} 2.0' in text
        writer.close()


async def test_it_is_turned_away_unread(model: LoadedModel, hot: bool) -> None:
    """Nothing of it is looked at: what is no transaction gets the same answer."""
    lag = SaidLag(1.0)
    lag.behind = 5
    async with scorer(model, hot=hot, lag=lag) as running:
        assert problem(await running.score(b"{"))["status"] == 503


async def test_other_answers_go_on(model: LoadedModel, hot: bool) -> None:
    lag = SaidLag(1.0)
    lag.behind = 5
    async with scorer(model, hot=hot, lag=lag) as running:
        assert (await running.client.get("/health")).status_code == 200
        assert (await running.management.get("/health/ready")).status_code == 200


async def test_a_long_turn_turns_nobody_away_who_did_not_wait(model: LoadedModel) -> None:
    """With thousands of connections a turn takes long, and everybody may yet be served in time."""

    class LongTurn(Lag):
        def _turn(self) -> None:
            self._turned = time.monotonic() - 100

    async with scorer(model, lag=LongTurn(1.0)) as running:
        assert (await running.score(BODY)).status_code == 200
        assert (await running.score(BODY)).status_code == 200


class Slow(FakeModel):
    """Takes longer than anybody may wait, the first time."""

    calls = 0

    def score_one(self, row: Sequence[object]) -> float:
        self.calls += 1
        if self.calls == 1:
            time.sleep(1.5)
        return 0.25


@pytest.mark.slow
@pytest.mark.parametrize("hot", [True, False], ids=["hot", "asgi"])
def test_uvloop_tells_how_long_a_request_waited(hot: bool) -> None:
    """Two requests are there at the same turn of the loop. The first takes longer than the second
    may wait; whatever comes later finds a loop that is not behind."""

    async def both() -> list[bytes]:
        async with scorer(fake_loaded(Slow(), manifest_of(FEATURES, GOLDEN[0])), hot=hot) as one:
            clients = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(2)]
            await until(lambda: len(one.server.server_state.connections) == 2)
            for client in clients:
                client.sendall(post())
            answers = [await asyncio.to_thread(receive, client) for client in clients]
            clients[0].sendall(post())
            answers.append(await asyncio.to_thread(receive, clients[0]))
            for client in clients:
                client.close()
            return answers

    def receive(client: socket.socket) -> bytes:
        """One answer, to the end of its document."""
        answer = b""
        while not answer.endswith(b"}"):
            part = client.recv(65536)
            assert part
            answer += part
        return answer

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        *same_turn, later = runner.run(both())
    assert sorted(answer.split()[1] for answer in same_turn) == [b"200", b"503"]
    assert later.split()[1] == b"200"


@pytest.mark.slow
async def test_patience_counts_from_the_last_byte(model: LoadedModel, hot: bool) -> None:
    """A client that takes its time to send a body has not been waiting for an answer."""
    async with scorer(model, hot=hot, patience=0.5) as running:
        reader, writer = await running.connect()
        request = post()
        writer.write(request[:-5])
        await asyncio.sleep(0.7)  # longer than anybody's patience
        writer.write(request[-5:])
        assert (await read_answer(reader)).status == 200
        writer.close()
