"""The stream against a server on the loopback, as the command that runs in the pod."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

STREAM = Path(__file__).parents[3] / "examples/demo/stream.py"
Reply = Callable[[int, dict[str, Any]], tuple[int, object]]


def decided(_: int, transaction: dict[str, Any]) -> tuple[int, object]:
    """The decision is the transaction's feature, the model version its currency."""
    return 200, {
        "decision": transaction["features"]["decision"],
        "model": {"version": transaction["currency"]},
    }


@dataclass
class Scorer:
    """A server that answers what a test says; `reply` gets the number of the request."""

    reply: Reply = decided
    hangs_up: bool = False
    """Close every connection after its first answer without having said so."""
    received: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    url: str = ""


@pytest.fixture
def scorer() -> Iterator[Scorer]:
    scorer, lock = Scorer(), Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            with lock:
                scorer.connections += 1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(scorer.received)
                scorer.received.append({"path": self.path, **body})
            status, answer = scorer.reply(number, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = scorer.hangs_up

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    scorer.url = f"http://127.0.0.1:{server.server_port}"
    yield scorer
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def transactions(tmp_path: Path) -> Path:
    """Five: a fraud caught twice and missed once, a false alarm, and one rightly approved."""
    path = tmp_path / "transactions.jsonl.gz"
    lines = [
        json.dumps(
            {
                "transaction": {
                    "transaction_id": f"tx-{number}",
                    "currency": "v1" if number < 4 else "v2",
                    "features": {"decision": decision},
                },
                "fraud": fraud,
            }
        )
        for number, (decision, fraud) in enumerate(
            [
                ("decline", True),
                ("review", True),
                ("approve", True),
                ("review", False),
                ("approve", False),
            ]
        )
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def stream(*arguments: object, **options: Any) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-I", str(STREAM), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, **options)
    assert done.returncode != 2, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_everything_is_sent_counted_and_told_apart(scorer: Scorer, transactions: Path) -> None:
    code, lines = stream(scorer.url, transactions, "--count", 20, "--rate", 1000)
    *seconds, last = lines
    summary = last["summary"]
    assert code == 0
    assert summary["answered"] == 20
    assert summary["failed"] == summary["retried"] == 0
    assert summary["decisions"] == {"approve": 8, "decline": 4, "review": 8}
    assert summary["versions"] == {"v1": 16, "v2": 4}
    assert (summary["caught"], summary["missed"], summary["false_alarms"]) == (8, 4, 4)
    assert summary["p50_ms"] <= summary["p99_ms"]
    assert sum(line["answered"] for line in seconds) == 20
    assert [line["second"] for line in seconds] == list(range(1, len(seconds) + 1))


def test_frauds_are_told_apart_by_scenario_and_version(scorer: Scorer, transactions: Path) -> None:
    lines = [json.loads(line) for line in gzip.decompress(transactions.read_bytes()).splitlines()]
    for line, scenario in zip(lines, (2, 2, 3, 0, 0), strict=True):
        line["scenario"] = scenario
    transactions.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    _, said = stream(scorer.url, transactions, "--count", 10, "--rate", 1000)
    assert said[-1]["summary"]["scenarios"] == {"v1": {"2": [4, 4], "3": [0, 2]}}


def test_each_transaction_has_an_id_of_its_own_in_every_run(
    scorer: Scorer, transactions: Path
) -> None:
    for _ in range(2):
        stream(scorer.url, transactions, "--count", 12, "--rate", 1000)
    assert {request["path"] for request in scorer.received} == {"/v1/score"}
    assert len({request["transaction_id"] for request in scorer.received}) == 24


def test_connections_are_kept(scorer: Scorer, transactions: Path) -> None:
    stream(scorer.url, transactions, "--count", 40, "--rate", 1000, "--connections", 3)
    assert 1 <= scorer.connections <= 3


def test_a_time_limit_ends_it(scorer: Scorer, transactions: Path) -> None:
    code, lines = stream(scorer.url, transactions, "--seconds", 0.5, "--rate", 60)
    assert code == 0
    assert 0 < lines[-1]["summary"]["answered"] <= 30


def test_a_failed_request_fails_the_run_and_says_why(scorer: Scorer, transactions: Path) -> None:
    scorer.reply = lambda number, body: (503, "no model") if number < 2 else decided(number, body)
    code, lines = stream(scorer.url, transactions, "--count", 20, "--rate", 1000)
    summary = lines[-1]["summary"]
    assert code == 1
    assert (summary["failed"], summary["answered"]) == (2, 18)
    assert summary["failures"] == {'503 "no model"': 2}


@pytest.mark.parametrize("answer", [{"decision": "approve"}, [], "approve", None])
def test_an_answer_without_a_decision_is_a_failure(
    scorer: Scorer, transactions: Path, answer: object
) -> None:
    scorer.reply = lambda *_: (200, answer)
    code, lines = stream(scorer.url, transactions, "--count", 1)
    assert code == 1
    (message,) = lines[-1]["summary"]["failures"]
    assert message.startswith("not an answer: ")


def test_a_used_connection_closed_by_the_server_is_no_failure(
    scorer: Scorer, transactions: Path
) -> None:
    scorer.hangs_up = True
    options = ("--count", 10, "--rate", 1000, "--connections", 1)
    code, lines = stream(scorer.url, transactions, *options)
    summary = lines[-1]["summary"]
    assert code == 0
    assert (summary["answered"], summary["failed"], summary["retried"]) == (10, 0, 9)
    assert len({request["transaction_id"] for request in scorer.received}) == 10


def test_of_many_different_failures_a_few_are_shown(scorer: Scorer, transactions: Path) -> None:
    scorer.reply = lambda number, _: (500, f"error {number}")
    _, lines = stream(scorer.url, transactions, "--count", 20, "--rate", 1000)
    assert lines[-1]["summary"]["failed"] == 20
    assert len(lines[-1]["summary"]["failures"]) == 5


def test_nobody_listening_is_a_failure_not_a_crash(scorer: Scorer, transactions: Path) -> None:
    code, lines = stream("http://127.0.0.1:1", transactions, "--count", 3)
    assert code == 1
    assert lines[-1]["summary"]["failed"] == 3
    (message,) = lines[-1]["summary"]["failures"]
    assert "ConnectionRefusedError" in message


def test_transactions_can_come_through_standard_input(scorer: Scorer, transactions: Path) -> None:
    code, lines = stream(scorer.url, "-", "--count", 5, input=transactions.read_bytes())
    assert code == 0
    assert lines[-1]["summary"]["answered"] == 5


@pytest.mark.slow
def test_a_signal_ends_it_with_a_summary(scorer: Scorer, transactions: Path) -> None:
    command = [sys.executable, "-I", str(STREAM), scorer.url, str(transactions), "--rate", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["second"] == 1
        running.send_signal(signal.SIGTERM)
        last = running.stdout.read().splitlines()[-1]
    assert running.returncode == 0
    assert json.loads(last)["summary"]["answered"] == len(scorer.received)


@pytest.mark.parametrize(
    ("content", "message"), [(b"not gzip", "gzip"), (gzip.compress(b"", mtime=0), "no transaction")]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    command = [sys.executable, "-I", str(STREAM), "http://127.0.0.1:1", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert message in done.stderr
