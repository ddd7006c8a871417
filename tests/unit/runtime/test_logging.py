"""Every line says what it is about, without anybody passing a logger around."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from fraud_operator.runtime import logging as logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_concurrent_reconciliations_are_told_apart(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    log = logging.getLogger("somewhere.deep")

    async def reconcile(key: str) -> str:
        with logs.reconciling(key) as reconcile_id:
            await asyncio.sleep(0)
            log.info("applied", extra={"child": "Service/x"})
            return reconcile_id

    ids = await asyncio.gather(reconcile("fraud/a"), reconcile("fraud/b"))
    log.info("outside")
    first, second, outside = lines(stream)
    assert [(one["key"], one["reconcile"]) for one in (first, second)] == [
        ("fraud/a", ids[0]),
        ("fraud/b", ids[1]),
    ]
    assert first["child"] == "Service/x"
    assert first["level"] == "info"
    assert first["logger"] == "somewhere.deep"
    assert "key" not in outside


def test_an_exception_stays_one_line(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    (line,) = lines(stream)
    assert line["message"] == "it failed"
    assert "ValueError: broken" in str(line["exception"])


def test_text_is_for_people(stream: io.StringIO) -> None:
    logs.configure("debug", "text", stream)
    with logs.reconciling("fraud/cards"):
        logging.getLogger("x").debug("hello %s", "world")
    assert " D hello world key=fraud/cards reconcile=" in stream.getvalue()


def test_libraries_are_quiet_and_levels_hold(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    logging.getLogger("x").debug("not said")
    logging.getLogger("botocore.endpoint").info("not said")
    logging.getLogger("kopf._core.reactor.running").warning("signals are ignored")
    logging.getLogger("botocore.credentials").warning("Refreshing failed.", exc_info=True)
    assert stream.getvalue() == ""
