"""The load generator sends what it was given and counts what it got."""

from __future__ import annotations

import os
import re
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.scorer.load import NUMBER, Cores, Generator, LoadError, write_requests
from bench.scorer.running import free_ports

pytestmark = pytest.mark.slow

SPANS = (0.0, 0.3)
Answer = Callable[[int], bytes]


def plain(status: str, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n{more}\r\n{{}}".encode()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


class Served:
    """What a server was asked, and what it answers to its nth request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.connections = 0
        self.lock = threading.Lock()


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[int, Served]]:
    served = Served(answer)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with served.lock:
                served.connections += 1
            while head := self._head():
                body = self.rfile.read(int(head[b"content-length"]))
                with served.lock:
                    served.bodies.append(body)
                    answer = served.answer(len(served.bodies))
                self.wfile.write(answer)
                if not answer or b"Connection: close" in answer:
                    return

        def _head(self) -> dict[bytes, bytes]:
            lines = iter(lambda: self.rfile.readline().strip(), b"")
            return {name.lower(): value for name, _, value in (x.partition(b": ") for x in lines)}

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            """The generator ends in the middle of requests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], served
        server.shutdown()


@pytest.fixture
def tool(generator: Path) -> Generator:
    core = max(os.sched_getaffinity(0))
    return Generator(generator, Cores(core, core))


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    return write_requests(tmp_path / "requests", "/score", [{"number": n} for n in range(7)])


def test_distinct_requests_in_turn(tool: Generator, requests: Path) -> None:
    with serving(lambda _: plain("200 OK")) as (port, served):
        load = tool.closed(port, requests, connections=1, spans=SPANS)
    assert load.clean
    assert served.connections == 1
    assert served.bodies == [b'{"number":%d}' % (n % 7) for n in range(len(served.bodies))]
    assert load.rate == pytest.approx(load.answered / SPANS[1], rel=1e-3)


def test_every_request_has_a_number_of_its_own(tool: Generator, tmp_path: Path) -> None:
    path = write_requests(tmp_path / "r", "/score", [{"id": f"tx-{NUMBER}"}, {"id": f"a{NUMBER}"}])
    with serving(lambda _: plain("200 OK")) as (port, served):
        for _ in range(2):
            assert tool.closed(port, path, connections=3, spans=SPANS).clean
    numbers = [re.fullmatch(rb'{"id":"(?:tx-|a)(\d{12})"}', body) for body in served.bodies]
    assert len({one[1] for one in numbers if one}) == len(served.bodies) > 4


def test_statuses_are_told_apart_and_only_good_ones_are_goodput(
    tool: Generator, requests: Path
) -> None:
    with serving(lambda n: plain("200 OK" if n % 3 else "503 Busy")) as (port, _):
        load = tool.closed(port, requests, connections=1, spans=SPANS)
    assert set(load.status) == {"200", "503"}
    assert sum(load.status.values()) == load.answered
    assert load.goodput == pytest.approx(load.status["200"] / SPANS[1], rel=1e-3)
    assert not load.clean


def test_chunks_are_understood(tool: Generator, requests: Path) -> None:
    with serving(lambda _: CHUNKED) as (port, _):
        assert tool.closed(port, requests, connections=2, spans=SPANS).clean


def test_a_connection_that_the_server_closes_is_opened_again(
    tool: Generator, requests: Path
) -> None:
    with serving(lambda _: plain("200 OK", "Connection: close\r\n")) as (port, served):
        load = tool.closed(port, requests, connections=1, spans=SPANS)
    assert load.clean
    assert load.answered > 1
    assert served.connections >= load.answered


def test_a_server_that_hangs_up_breaks_requests(tool: Generator, requests: Path) -> None:
    with serving(lambda n: b"" if n == 5 else plain("200 OK")) as (port, _):
        load = tool.closed(port, requests, connections=1, spans=SPANS)
    assert load.broken == 1
    assert not load.clean


def test_at_a_rate_every_due_request_is_answered_or_waiting(
    tool: Generator, requests: Path
) -> None:
    with serving(lambda _: plain("200 OK")) as (port, served):
        load = tool.open(port, requests, connections=4, spans=SPANS, rate=100)
    assert load.dropped == load.broken == 0
    # Poisson around 30: the seed is fixed, so the number is always the same.
    assert load.waiting == 0
    assert Counter(served.bodies).total() == pytest.approx(30, abs=15)


def test_overload_drops_what_finds_no_connection(tool: Generator, requests: Path) -> None:
    release = threading.Event()

    def slow(n: int) -> bytes:
        release.wait(0.05)
        return plain("200 OK")

    with serving(slow) as (port, served):
        load = tool.open(port, requests, connections=2, spans=SPANS, rate=5000, drop=True)
        release.set()
    assert load.dropped > load.answered
    assert load.dropped + len(served.bodies) == pytest.approx(1500, rel=0.1)


def test_an_unanswered_request_counts_with_how_long_it_waited(
    tool: Generator, requests: Path
) -> None:
    stuck = threading.Event()

    def never(_: int) -> bytes:
        stuck.wait(10)
        return b""

    with serving(never) as (port, _):
        load = tool.open(port, requests, connections=1, spans=SPANS, rate=100)
        stuck.set()
    assert load.answered == 0
    assert load.waiting > 1
    assert load.p50 > 1e6


def test_nobody_listens(tool: Generator, requests: Path) -> None:
    with pytest.raises(LoadError, match="connect: Connection refused"):
        tool.closed(free_ports(1)[0], requests, connections=1, spans=SPANS)
