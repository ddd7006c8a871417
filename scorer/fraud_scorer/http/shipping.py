"""The process that ships records, as a child of the supervisor: kept alive while anybody records.

Its standard input ends when it is to stop, which is once the serving processes have ended, so that
it finds all that they recorded; then it has its grace. It ends as well when the supervisor is gone,
however that came. (A signal could come before the process listens to any.)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from fraud_scorer.http.children import Pauses
from fraud_scorer.ledger.spool import Spool

_MARGIN_SECONDS = 3.0
"""What it gets beyond its grace before it is killed."""

_log = logging.getLogger(__name__)


class Shipping:
    """One process, and whoever takes its place."""

    def __init__(self, arguments: Sequence[str], grace: float, spool: Spool) -> None:
        """`arguments` of `fraud-scorer`; `grace` is what it was given, in seconds."""
        self.restarts = 0
        self.spool = spool
        self._command = (sys.executable, "-P", "-m", "fraud_scorer.cli.main", *arguments, "--child")
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = asyncio.Event()
        self._end = 0.0

    @property
    def process_id(self) -> int | None:
        """Of the process that lives, if one does."""
        return self._process.pid if self._process is not None else None

    async def keep(self) -> None:
        """Replace the process whenever it dies, until it is to stop and has."""
        pauses = Pauses()
        while True:
            began = time.monotonic()
            code = await asyncio.to_thread(self._start().wait)
            self._process = None
            if self._stopping.is_set() and (code >= 0 or time.monotonic() > self._end):
                if code:
                    _log.error("records may have stayed in the spool", extra={"code": code})
                return
            pause = pauses.after(time.monotonic() - began)
            _log.error(
                "the process that ships records ended and is replaced",
                extra={"code": code, "pause": pause},
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause or 0.001)
            self.restarts += 1

    async def stop(self, keeping: asyncio.Task[None]) -> None:
        """Let it ship what is left, and wait for it."""
        self._end = time.monotonic() + self._grace
        self._stopping.set()
        self._tell_to_stop()
        done, _ = await asyncio.wait({keeping}, timeout=self._grace + _MARGIN_SECONDS)
        if not done:
            _log.error("the process that ships records does not end: it is killed")
            if self._process is not None:
                self._process.send_signal(signal.SIGKILL)
            await keeping

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, process_group=0)
        if self._stopping.is_set():
            self._tell_to_stop()
        return self._process

    def _tell_to_stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
