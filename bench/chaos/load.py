"""Constant load that keeps what was acknowledged: every transaction once, at a rate of its own.

A request whose connection breaks is sent again until it is answered, as a caller must: with the
same id and the same body, to whichever pod is there. A latency counts from when a request was due.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

_PATIENCE = 10.0
"""Seconds after which nobody waits for an answer any more."""
_AGAIN_AFTER = 0.05
_OPEN_MOST = 1024
_WIDE = "\N{MAHJONG TILE RED DRAGON}"
"""An id may have as many characters; of this one each is four bytes."""

_serial = count()


@dataclass
class Heard:
    """What became of the requests. `acknowledged`: ids of transactions, and of their answers."""

    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    asked: int = 0
    acknowledged: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    """Of everything that was not acknowledged."""
    broken: int = 0
    """Connections that ended before an answer came; each request was sent again."""
    unanswered: list[str] = field(default_factory=list)
    """Requests that nobody answered in time."""
    degraded: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many got a 5xx."""
        return sum(number for status, number in self.statuses.items() if status >= 500)

    @property
    def p99_ms(self) -> float:
        """From when a request was due to its last answer."""
        took = sorted(self.seconds)
        return took[len(took) * 99 // 100] * 1000 if took else 0.0


class Load:
    """Asks pods in turn, from a thread of its own. Ports may come and go meanwhile."""

    def __init__(self, rate: float, body: Callable[[str], dict[str, Any]]) -> None:
        self.heard = Heard()
        self._ports: tuple[int, ...] = ()
        self._rate, self._body = rate, body
        self._idle: dict[int, deque[_Connection]] = {}
        self._ending = asyncio.Event()
        self._done = 0
        self._answered = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self, *ports: int) -> None:
        """From now on send requests to these, in turn."""
        self._ports = ports
        if not self._thread.is_alive():
            self._thread.start()

    def more(self, requests: int, *, seconds: float = 120.0) -> None:
        """Wait until so many more requests have come to their end. Raises AssertionError."""
        with self._answered:
            wanted = self._done + requests
            if not self._answered.wait_for(lambda: self._done >= wanted, seconds):
                raise AssertionError(f"no {requests} requests were answered in {seconds:g} s")

    def end(self) -> Heard:
        """Send no more, and what was heard once all that is under way has come to its end."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(_PATIENCE * 3)
        return self.heard

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        began, sent = time.monotonic(), 0
        under_way: set[asyncio.Task[None]] = set()
        while not self._ending.is_set():
            due = began + sent / self._rate
            if (early := due - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), early)
                continue
            sent += 1
            if len(under_way) < _OPEN_MOST:
                task = asyncio.create_task(self._one(due))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(0)
        await asyncio.gather(*under_way)
        for idle in self._idle.values():
            for one in idle:
                one.close()

    async def _one(self, due: float) -> None:
        """One transaction, until it is answered or nobody waits for it any more."""
        transaction = f"chaos-{next(_serial)}-{time.time_ns()}"
        content = msgspec.json.encode(self._body(transaction))
        self.heard.asked += 1
        answer: tuple[int, bytes] | None = None
        while answer is None and time.monotonic() < due + _PATIENCE:
            ports = self._ports
            port = ports[self.heard.asked % len(ports)]
            try:
                async with asyncio.timeout_at(self._deadline(due)):
                    answer = await self._send(port, content)
            except TimeoutError:
                break
            except (OSError, EOFError):
                self.heard.broken += 1
                await asyncio.sleep(_AGAIN_AFTER)
        self._note(transaction, answer, time.monotonic() - due)

    @staticmethod
    def _deadline(due: float) -> float:
        return asyncio.get_running_loop().time() + due + _PATIENCE - time.monotonic()

    async def _send(self, port: int, content: bytes) -> tuple[int, bytes]:
        idle = self._idle.setdefault(port, deque())
        connection = idle.pop() if idle else await _Connection.open(port)
        try:
            answer = await connection.ask(content)
        except BaseException:
            connection.close()
            raise
        if connection.kept:
            idle.append(connection)
        else:
            connection.close()
        return answer

    def _note(self, transaction: str, answer: tuple[int, bytes] | None, took: float) -> None:
        heard = self.heard
        heard.seconds.append(took)
        if answer is None:
            heard.unanswered.append(transaction)
        elif answer[0] == 200:
            document = msgspec.json.decode(answer[1])
            heard.acknowledged[transaction] = document["prediction_id"]
            heard.degraded.update(document["degraded"])
        else:
            heard.statuses[answer[0]] += 1
        with self._answered:
            self._done += 1
            self._answered.notify_all()


class _Connection:
    """HTTP/1.1, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.kept = True

    @classmethod
    async def open(cls, port: int) -> _Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, content: bytes) -> tuple[int, bytes]:
        head = (
            "POST /v1/score HTTP/1.1\r\nHost: scorer\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        said = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = said.partition(b"content-length:")
        self.kept = b"\r\nconnection: close" not in said
        body = await self._reader.readexactly(int(length.split(b"\r\n", 1)[0]))
        return int(said.split(b" ", 2)[1]), body

    def close(self) -> None:
        self._writer.close()


@contextmanager
def loading(rate: float, body: Callable[[str], dict[str, Any]]) -> Iterator[Load]:
    """Load that ends with the context, however that ends."""
    load = Load(rate, body)
    try:
        yield load
    finally:
        load.end()


def transaction(name: str, *, customers: int = 500, padding: int = 0) -> dict[str, Any]:
    """A body. `padding`: more entities with the longest ids, so that a spool fills soon."""
    number = hash(name)
    entities = {
        "customer": f"c-{number % customers}", "terminal": f"t-{number % 97}",
        **{f"more_{place}": f"{name}-{place}-".ljust(128, _WIDE) for place in range(padding)},
    }  # fmt: skip
    return {
        "transaction_id": name,
        "event_time": datetime.now(UTC).isoformat(),
        "entities": entities,
        "amount_minor": 100 + number % 10_000,
        "currency": "EUR",
        "features": {"amount": 1 + number % 10_000 / 100},
    }
