"""Send simulated transactions to a detector, and print what becomes of them, a line a second.

    python3 stream.py http://card-payments-scorer transactions.jsonl.gz --rate 200 --seconds 60

Runs inside a pod, next to nothing: the standard library is all it takes. The file comes from
`python -m examples.handbook.envelopes` (`-` reads it from standard input), is repeated when it
ends, and each transaction gets an id of its own. Every line printed is a JSON object; the last is
{"summary": ...}. The exit code is 1 where a request failed, and 2 where nothing could be sent.

A request is sent again, once, when its connection had been used before and turns out to be closed
without a byte of an answer, which is how HTTP servers end idle connections; these are counted as
`retried`. Whatever else goes wrong is a failed request.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import math
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATH = "/v1/score"
_ALARMS = ("review", "decline")
_FAILURES_SHOWN = 5


class Failure(Exception):
    """A request that did not get the answer it should have got."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """The request's JSON but for its opening brace and id, and whether it is a fraud in truth."""

    rest: bytes
    fraud: bool
    scenario: int = 0
    """Of which kind the fraud is, where that is known."""

    def body(self, transaction_id: str) -> bytes:
        """The request's body."""
        return b'{"transaction_id":"%s",%s' % (transaction_id.encode(), self.rest)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is looked at of a scorer's answer."""

    decision: str
    version: str

    @classmethod
    def parsed(cls, content: bytes) -> Answer:
        """The answer in the body of a response. Raises Failure."""
        try:
            fields = json.loads(content)
            return cls(str(fields["decision"]), str(fields["model"]["version"]))
        except (ValueError, KeyError, TypeError):
            raise Failure(f"not an answer: {_shown(content)}") from None


@dataclass(slots=True)
class Tally:
    """What happened in some span of time."""

    decisions: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    caught: int = 0
    missed: int = 0
    scenarios: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    """By version and scenario: frauds caught, and all of them."""
    false_alarms: int = 0
    failed: int = 0
    retried: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """How often each message came; of the first few different ones."""

    def answered(self, answer: Answer, transaction: Transaction, seconds: float) -> None:
        """Count an answer that took so many seconds."""
        fraud = transaction.fraud
        self.decisions[answer.decision] += 1
        self.versions[answer.version] += 1
        self.latencies.append(seconds)
        alarm = answer.decision in _ALARMS
        if transaction.scenario:
            self._fraud(answer.version, transaction.scenario, int(alarm), 1)
        self.caught += fraud and alarm
        self.missed += fraud and not alarm
        self.false_alarms += alarm and not fraud

    def failure(self, message: str) -> None:
        """Count a failed request."""
        self.failed += 1
        self._say(message, 1)

    def add(self, other: Tally) -> None:
        """Count all that `other` counted."""
        self.decisions.update(other.decisions)
        self.versions.update(other.versions)
        self.latencies += other.latencies
        self.caught += other.caught
        self.missed += other.missed
        for version, counts in other.scenarios.items():
            for scenario, (caught, every) in counts.items():
                self._fraud(version, scenario, caught, every)
        self.false_alarms += other.false_alarms
        self.failed += other.failed
        self.retried += other.retried
        for message, count in other.failures.items():
            self._say(message, count)

    def report(self, seconds: float) -> dict[str, Any]:
        """Everything as JSON; `seconds` is how long the tally was open."""
        ordered = sorted(self.latencies)
        return {
            "rate": round(len(ordered) / seconds, 1),
            "answered": len(ordered),
            "failed": self.failed,
            "retried": self.retried,
            "p50_ms": _percentile(ordered, 0.50),
            "p99_ms": _percentile(ordered, 0.99),
            "decisions": dict(sorted(self.decisions.items())),
            "caught": self.caught,
            "missed": self.missed,
            "false_alarms": self.false_alarms,
            "versions": dict(sorted(self.versions.items())),
            **({"scenarios": self.scenarios} if self.scenarios else {}),
            **({"failures": dict(self.failures)} if self.failures else {}),
        }

    def _fraud(self, version: str, scenario: int, caught: int, every: int) -> None:
        counts = self.scenarios.setdefault(version, {}).setdefault(scenario, [0, 0])
        counts[0] += caught
        counts[1] += every

    def _say(self, message: str, count: int) -> None:
        if message in self.failures or len(self.failures) < _FAILURES_SHOWN:
            self.failures[message] += count


class Connection:
    """One connection, kept alive and opened again when it was closed."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._http = http.client.HTTPConnection(host, port, timeout=timeout)
        self.retried = 0

    def score(self, body: bytes) -> Answer:
        """The answer. Raises Failure."""
        try:
            response = self._ask(body)
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Failure(f"{type(error).__name__}: {error}") from None
        if response.status != http.HTTPStatus.OK:
            raise Failure(f"{response.status} {_shown(content)}")
        return Answer.parsed(content)

    def close(self) -> None:
        """Close it; the next request opens it again."""
        self._http.close()

    def _ask(self, body: bytes) -> http.client.HTTPResponse:
        used_before = self._http.sock is not None
        try:
            return self._exchange(body)
        except (ConnectionResetError, BrokenPipeError):
            if not used_before:
                raise
            self.retried += 1
            self.close()
            return self._exchange(body)

    def _exchange(self, body: bytes) -> http.client.HTTPResponse:
        self._http.request("POST", PATH, body, {"Content-Type": "application/json"})
        return self._http.getresponse()


class Stream:
    """Sends transactions at a rate over several connections."""

    def __init__(
        self, transactions: Sequence[Transaction], *, rate: float, seconds: float, count: float
    ) -> None:
        """`rate` is a second; it ends after so many seconds or transactions. Time runs from now."""
        self._transactions = transactions
        self._rate = rate
        self._count = count
        self._seconds = seconds
        self._run = uuid.uuid4().hex[:8]
        self._lock = threading.Lock()
        self._next = 0
        self._tally = Tally()
        self._began = time.monotonic()
        self._stopped = threading.Event()

    def send(self, connection: Connection) -> None:
        """Send what is due until the end, or until `stop` is called; one thread a connection."""
        with closing(connection):
            while (number := self._turn()) is not None:
                transaction = self._transactions[number % len(self._transactions)]
                self._score(connection, transaction, f"{self._run}-{number}")

    def stop(self) -> None:
        """Let `send` return after the request that is under way."""
        self._stopped.set()

    def take(self) -> Tally:
        """What was counted since the last call."""
        with self._lock:
            taken, self._tally = self._tally, Tally()
        return taken

    def _turn(self) -> int | None:
        """The number of the next transaction when it is due, None when there is none."""
        with self._lock:
            number = self._next
            self._next += 1
        due = self._began + number / self._rate
        now = time.monotonic()
        if number >= self._count or max(due, now) >= self._began + self._seconds:
            return None
        return None if self._stopped.wait(max(0.0, due - now)) else number

    def _score(self, connection: Connection, transaction: Transaction, name: str) -> None:
        body = transaction.body(name)
        retried = connection.retried
        began = time.monotonic()
        result: Answer | Failure
        try:
            result = connection.score(body)
        except Failure as failure:
            result = failure
        seconds = time.monotonic() - began
        with self._lock:
            self._tally.retried += connection.retried - retried
            if isinstance(result, Failure):
                self._tally.failure(str(result))
            else:
                self._tally.answered(result, transaction, seconds)


def run(options: argparse.Namespace) -> int:
    """Send, print a line a second and the summary; the exit code."""
    url = urlsplit(options.url)
    stream = Stream(
        load(options.transactions),
        rate=options.rate,
        seconds=options.seconds,
        count=options.count,
    )
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stream.stop())
    threads = [
        threading.Thread(
            target=stream.send,
            args=[Connection(str(url.hostname), url.port or 80, options.timeout)],
        )
        for _ in range(options.connections)
    ]
    began = since = time.monotonic()
    for thread in threads:
        thread.start()

    total = Tally()
    for second in _seconds(threads):
        part, now = stream.take(), time.monotonic()
        total.add(part)
        # The last one is shorter than a second; its few answers are no rate.
        _print({"second": second, **part.report(max(now - since, 1.0))})
        since = now
    total.add(stream.take())
    elapsed = time.monotonic() - began
    _print({"summary": {"seconds": round(elapsed, 1), **total.report(elapsed)}})
    return 1 if total.failed else 0


def load(source: str) -> list[Transaction]:
    """The transactions in a file, `-` for standard input. Raises OSError and ValueError."""
    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    transactions = []
    for line in gzip.decompress(data).splitlines():
        content = json.loads(line)
        fields = content["transaction"]
        del fields["transaction_id"]
        rest = json.dumps(fields, separators=(",", ":")).encode()[1:]
        transactions.append(Transaction(rest, content["fraud"], content.get("scenario", 0)))
    if not transactions:
        raise ValueError("there is no transaction in it")
    return transactions


def _seconds(threads: Sequence[threading.Thread]) -> Iterator[int]:
    """1, 2, 3, ... a second apart, and once more when all threads have ended."""
    began = time.monotonic()
    second = 0
    running = True
    while running:
        second += 1
        for thread in threads:
            thread.join(max(0.0, began + second - time.monotonic()))
        running = any(thread.is_alive() for thread in threads)
        yield second


def _shown(content: bytes) -> str:
    return content[:200].decode(errors="replace")


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """In milliseconds; None where nothing was measured."""
    if not ordered:
        return None
    return round(ordered[math.ceil(share * len(ordered)) - 1] * 1000, 2)


def _print(content: dict[str, Any]) -> None:
    print(json.dumps(content), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("url", help="of the detector's Service, such as http://NAME-scorer")
    parser.add_argument("transactions", help="gzipped JSON lines; - for standard input")
    parser.add_argument("--rate", type=_positive, default=200.0, help="transactions a second")
    parser.add_argument("--seconds", type=_positive, default=60.0, help="for how long at most")
    parser.add_argument("--count", type=_positive, default=math.inf, help="how many at most")
    parser.add_argument("--connections", type=int, choices=range(1, 65), default=8, metavar="1..64")
    parser.add_argument("--timeout", type=_positive, default=5.0, help="seconds for an answer")
    options = parser.parse_args(arguments)
    if urlsplit(options.url).scheme != "http" or not urlsplit(options.url).hostname:
        parser.error(f"{options.url} is not http://HOST[:PORT]")
    try:
        return run(options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"error: {options.transactions}: {error}", file=sys.stderr)
        return 2


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


if __name__ == "__main__":
    sys.exit(main())
