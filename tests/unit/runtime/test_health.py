"""The one port."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from fraud_operator.runtime import health, metrics


async def test_health_and_metrics_are_served() -> None:
    async with health.serving("127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        metrics.RECONCILES.labels("done").inc()
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            text = await answer.text()
    assert 'fraud_operator_reconciles_total{result="done"}' in text
    assert "_created" not in text


async def test_an_address_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = rf"cannot listen on 127\.0\.0\.1:{port} .*in use\): .*--listen"
        with pytest.raises(health.CannotListen, match=said):
            async with health.serving("127.0.0.1", port):
                pass
