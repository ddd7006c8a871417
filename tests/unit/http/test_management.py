"""The management port: what probes and Prometheus see."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import Running, problem, scorer
from tests.unit.scorer.support import (
    FEATURES,
    GOLDEN,
    FakeModel,
    fake_loaded,
    manifest_of,
    transaction,
)

BUCKETS = [0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1]

V1 = {"version": "v1", "role": "active"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(running: Running) -> Samples:
    response = await running.management.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_live_before_ready() -> None:
    async with scorer(None) as running:
        assert (await running.management.get("/health/live")).status_code == 200
        response = await running.management.get("/health/ready")
        assert response.status_code == 503
        assert response.json()["reason"] == "Starting"
        running.readiness.set_not_ready("StoreUnreachable", "the store does not answer")
        response = await running.management.get("/health/ready")
        assert response.json() == {
            "ready": False,
            "reason": "StoreUnreachable",
            "message": "the store does not answer",
        }
        assert value(await scrape(running), "fraud_scorer_ready") == 0


async def test_ready(running: Running) -> None:
    response = await running.management.get("/health/ready")
    assert (response.status_code, response.json()["ready"]) == (200, True)
    assert value(await scrape(running), "fraud_scorer_ready") == 1


async def test_requests_are_counted_by_route_and_status(running: Running) -> None:
    for _ in range(3):
        await running.score(transaction())
    await running.score(b"{")
    for path in ("/health", "/a", "/b"):
        await running.client.get(path)
    samples = await scrape(running)
    name = "fraud_scorer_requests_total"
    assert value(samples, name, route="/v1/score", status="200") == 3
    assert value(samples, name, route="/v1/score", status="400") == 1
    assert value(samples, name, route="/health", status="200") == 1
    assert value(samples, name, route="unknown", status="404") == 2
    assert value(samples, "fraud_scorer_requests_in_flight") == 0


async def test_latency_has_the_agreed_buckets(running: Running) -> None:
    await running.score(transaction())
    samples = await scrape(running)
    name = "fraud_scorer_request_duration_seconds"
    edges = sorted(
        float(dict(labels)["le"])
        for sample, labels in samples
        if sample == f"{name}_bucket" and dict(labels)["route"] == "/v1/score"
    )
    assert edges == [*BUCKETS, float("inf")]
    assert value(samples, f"{name}_count", route="/v1/score") == 1


async def test_decisions_and_scores_are_counted() -> None:
    async with scorer(fake_loaded(FakeModel(), manifest_of(FEATURES, GOLDEN[0]))) as running:
        for score in (0.1, 0.2, 0.6, 0.95):
            await running.score(transaction(GOLDEN[0] | {"amount": score}))
        samples = await scrape(running)
    name = "fraud_scorer_decisions_total"
    assert value(samples, name, decision="approve", **V1) == 2
    assert value(samples, name, decision="review", **V1) == 1
    assert value(samples, name, decision="decline", **V1) == 1
    assert value(samples, "fraud_scorer_score_count", **V1) == 4
    assert value(samples, "fraud_scorer_score_bucket", le="0.2", **V1) == 2


async def test_the_model_that_answers_is_named(running: Running, model: LoadedModel) -> None:
    named = {
        "model": "card-payments",
        "version": "v1",
        "digest": model.digest,
        "revision": model.revision,
        "role": "active",
    }
    assert value(await scrape(running), "fraud_scorer_model_info", **named) == 1


async def test_the_two_ports_are_apart(running: Running) -> None:
    for path in ("/v1/score", "/openapi.json"):
        assert problem(await running.management.get(path))["status"] == 404
    for path in ("/metrics", "/health/ready"):
        assert problem(await running.client.get(path))["status"] == 404
