"""The load keeps what was acknowledged, and asks again where a connection broke."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.chaos.load import Heard, loading, transaction

pytestmark = pytest.mark.slow

Answer = Callable[[str], int]
"""The status by the transaction's id; 0: hang up."""


@contextmanager
def pod(answer: Answer) -> Iterator[tuple[int, Counter[str]]]:
    """A port that answers so, and how often each transaction was asked about."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked[body["transaction_id"]] += 1
            status = answer(body["transaction_id"])
            if not status:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            number = f"{body['transaction_id']} {asked[body['transaction_id']]}"
            content = json.dumps({"prediction_id": number, "degraded": ["x"]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def heard_of(*ports: int, requests: int = 40) -> Heard:
    with loading(400, transaction) as load:
        load.ask(*ports)
        load.more(requests)
        return load.end()


def test_what_is_acknowledged_is_kept() -> None:
    with pod(lambda _: 200) as (port, asked):
        heard = heard_of(port)
    assert heard.asked == len(heard.acknowledged) == len(heard.seconds) == len(asked)
    assert heard.acknowledged == {name: f"{name} 1" for name in asked}
    assert (heard.failed, heard.broken, heard.unanswered) == (0, 0, [])
    assert heard.degraded["x"] == heard.asked


def test_a_request_whose_connection_broke_is_sent_again_with_its_id() -> None:
    seen: set[str] = set()

    def first_time_hangs_up(name: str) -> int:
        first = name not in seen
        seen.add(name)
        return 0 if first else 200

    with pod(first_time_hangs_up) as (port, asked):
        heard = heard_of(port)
    assert heard.broken >= 40
    assert set(asked.values()) == {2}
    assert heard.acknowledged == {name: f"{name} 2" for name in asked}


def test_a_5xx_is_a_failure_and_is_not_acknowledged() -> None:
    with pod(lambda name: 500 if name.split("-")[1].endswith("3") else 200) as (port, _):
        heard = heard_of(port)
    assert heard.failed == heard.statuses[500] >= 3
    assert len(heard.acknowledged) == heard.asked - heard.failed


def test_ports_may_go() -> None:
    with pod(lambda _: 200) as (stays, asked), loading(400, transaction) as load:
        with pod(lambda _: 200) as (goes, others):
            load.ask(stays, goes)
            load.more(20)
            load.ask(stays)
        before = len(asked)
        load.more(20)
        heard = load.end()
    assert others
    assert len(asked) > before
    assert len(heard.acknowledged) == heard.asked


def test_entities_besides_fill_a_spool() -> None:
    body: dict[str, Any] = transaction("tx-1", padding=14)
    assert len(body["entities"]) == 16
    assert all(1 <= len(who) <= 128 for who in body["entities"].values())
