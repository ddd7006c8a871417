"""Lines posted in parts: each taken once, also by a server that is busy at first."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

POST = Path(__file__).parents[3] / "examples/demo/post.py"


class Taker:
    """A server that is busy at the first request of each key, and then takes its lines."""

    def __init__(self) -> None:
        self.tries: Counter[str] = Counter()
        self.taken: list[bytes] = []
        self.refuses = b""
        self.lock = Lock()
        self.url = ""

    def answer(self, key: str, lines: list[bytes]) -> tuple[int, list[dict[str, Any]]]:
        with self.lock:
            self.tries[key] += 1
            if self.tries[key] == 1:
                return 503, [{"status": 503, "title": "busy"}]
            if self.refuses in lines:
                return 200, [{"decision": "approve"}, {"status": 422, "item": 1}]
            self.taken += lines
        return 200, [{"new": len(lines), "known": 0}]


@pytest.fixture
def taker() -> Iterator[Taker]:
    taker = Taker()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answers = taker.answer(self.headers["Idempotency-Key"], body.splitlines())
            self.send_response(status)
            self.end_headers()
            self.wfile.write("\n".join(map(json.dumps, answers)).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    taker.url = f"http://127.0.0.1:{server.server_port}/v1/labels"
    yield taker
    server.shutdown()
    server.server_close()
    thread.join()


def post(url: str, lines: list[bytes]) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", str(POST), url, "--size=3"]
    return subprocess.run(
        command, input=gzip.compress(b"\n".join(lines)), capture_output=True, check=False
    )


def test_every_line_is_taken_once(taker: Taker) -> None:
    lines = [b'{"line":%d}' % number for number in range(10)]
    done = post(taker.url, lines)
    assert done.returncode == 0, done.stderr
    assert sorted(taker.taken) == sorted(lines)
    assert sorted(taker.tries.values()) == [2, 2, 2, 2]
    counted = json.loads(done.stdout)
    assert (counted["lines"], counted["new"], counted["known"]) == (10, 10, 0)


def test_a_line_that_is_refused_ends_it(taker: Taker) -> None:
    taker.refuses = b"wrong"
    done = post(taker.url, [b"right", b"wrong"])
    assert done.returncode == 1
    assert b'error: {"status": 422' in done.stderr
