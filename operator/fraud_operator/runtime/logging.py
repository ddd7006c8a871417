"""Structured logs: one JSON object a line on stderr, or plain text for people.

Whatever is logged while a key is reconciled carries that key and the reconciliation's id, without
anybody passing a logger around: they are context variables, which asyncio keeps apart by task.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

_context: ContextVar[dict[str, str] | None] = ContextVar("log_context", default=None)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextlib.contextmanager
def reconciling(key: str) -> Iterator[str]:
    """Mark whatever is logged within as being about `key`; gives the reconciliation's id."""
    reconcile_id = secrets.token_hex(4)
    token = _context.set({"key": key, "reconcile": reconcile_id})
    try:
        yield reconcile_id
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, what `reconciling` says, and whatever came as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry, enc_hook=str).decode()


class TextFormatter(logging.Formatter):
    """The same for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback where there is one."""
        when = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        line = f"{when} {record.levelname[0]} {record.getMessage()}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(level: str, form: str = "json", stream: TextIO | None = None) -> None:
    """Send all logs of the process to `stream` (stderr), as "json" or "text".

    Libraries speak from warnings upwards only; kopf wants signal handlers that we do not want.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("kopf", "botocore", "boto3", "urllib3", "kubernetes", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    # A role that is refused is a traceback to it; whoever looks at the store says it in a sentence.
    logging.getLogger("botocore.credentials").setLevel(logging.CRITICAL)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {**(_context.get() or {}), **extra}
