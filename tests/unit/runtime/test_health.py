"""The one port."""

from __future__ import annotations

import aiohttp

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
