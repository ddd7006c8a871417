"""Counters outlive the process that counts, and are added up over all."""

from __future__ import annotations

import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fraud_scorer import counters
from fraud_scorer.artifact.report import LATENCY_EDGES, Counts
from fraud_scorer.counters import SharedCounters, slot
from fraud_scorer.http.exposition import Exposition
from fraud_scorer.metrics import Metrics
from fraud_scorer.registry.registry import Roles
from fraud_scorer.tally import counts, since
from tests.unit.scorer.support import FEATURES, GOLDEN, FakeModel, fake_loaded, manifest_of

V1 = {"version": "v1", "role": "active"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def shown(shared: SharedCounters) -> Samples:
    text = Exposition(shared.slots, lambda: True).text().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("fraud_scorer_")
    }


def value(shared: SharedCounters, name: str, **labels: str) -> float:
    return shown(shared)[name, frozenset(labels.items())]


def count(metrics: Metrics) -> None:
    metrics.answered("/v1/score", 200, 0.002)
    metrics.tally("v1", "r1", "active").decided("approve", 0.2, 0.002)
    metrics.degraded(["idempotency"])
    metrics.turned_away()
    metrics.began()


def test_processes_are_added_up() -> None:
    shared = SharedCounters(3)
    for one in shared.slots[:2]:
        count(Metrics(one))
    assert value(shared, "fraud_scorer_requests_total", route="/v1/score", status="200") == 2
    assert value(shared, "fraud_scorer_decisions_total", decision="approve", **V1) == 2
    assert value(shared, "fraud_scorer_degraded_total", what="idempotency") == 2
    assert value(shared, "fraud_scorer_shed_total") == 2
    assert value(shared, "fraud_scorer_requests_in_flight") == 2
    name = "fraud_scorer_request_duration_seconds"
    assert value(shared, f"{name}_count", route="/v1/score") == 2
    assert value(shared, f"{name}_sum", route="/v1/score") == pytest.approx(0.004)
    assert value(shared, f"{name}_bucket", route="/v1/score", le="0.001") == 0
    assert value(shared, f"{name}_bucket", route="/v1/score", le="0.0025") == 2
    assert value(shared, "fraud_scorer_score_bucket", le="0.2", **V1) == 2
    assert value(shared, "fraud_scorer_score_bucket", le="0.1", **V1) == 0
    assert value(shared, "fraud_scorer_score_sum", **V1) == pytest.approx(0.4)


def test_an_edge_belongs_to_its_bucket() -> None:
    shared = SharedCounters(1)
    metrics = Metrics(shared.slots[0])
    for seconds in (0.001, 1.0, 1.5):
        metrics.answered("/", 200, seconds)
    name = "fraud_scorer_request_duration_seconds_bucket"
    assert value(shared, name, route="/", le="0.001") == 1
    assert value(shared, name, route="/", le="1.0") == 2
    assert value(shared, name, route="/", le="+Inf") == 3


def test_a_process_that_takes_the_place_of_a_dead_one_counts_on() -> None:
    shared = SharedCounters(2)
    count(Metrics(shared.slots[0]))
    count(Metrics(shared.slots[1]))
    shared.slots[0].bury()
    assert value(shared, "fraud_scorer_requests_in_flight") == 1
    before = shown(shared)
    reopened = Metrics(slot(os.dup(shared.file), 0))
    after = shown(shared)
    assert {key for key in before if after[key] < before[key]} == set()
    count(reopened)
    assert value(shared, "fraud_scorer_requests_total", route="/v1/score", status="200") == 3
    assert value(shared, "fraud_scorer_decisions_total", decision="approve", **V1) == 3
    assert value(shared, "fraud_scorer_requests_in_flight") == 2


def test_only_the_model_that_answers_is_named() -> None:
    shared = SharedCounters(2)
    manifest = manifest_of(FEATURES, GOLDEN[0])
    first, second = (fake_loaded(FakeModel(), manifest) for _ in range(2))
    object.__setattr__(second, "revision", "another")
    name = "fraud_scorer_model_info"
    for one in shared.slots:
        metrics = Metrics(one)
        metrics.serving(Roles(active=first))
        metrics.serving(Roles(active=second))
    named = {dict(labels)["revision"] for sample, labels in shown(shared) if sample == name}
    assert named == {"another"}
    for one in shared.slots:
        one.bury()
    assert not [sample for sample, _ in shown(shared) if sample == name]


def test_what_has_no_place_is_said_and_harms_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counters, "_CELLS", 300)
    shared = SharedCounters(1)
    metrics = Metrics(shared.slots[0])
    first = metrics.tally("v1", "r1", "active")
    first.decided("approve", 0.2, 2.0)
    for version in range(20):
        metrics.tally(f"w{version}", f"r{version}", "active").decided("approve", 1.0, 2.0)
    first.decided("approve", 0.2, 2.0)
    assert "no room to count" in caplog.text
    assert value(shared, "fraud_scorer_decisions_total", decision="approve", **V1) == 2
    assert value(shared, "fraud_scorer_score_count", **V1) == 2
    assert counts(shared.slots)["r1"].latencies[-1] == 2


def test_counts_of_a_revision_are_those_of_all_its_parts_and_processes() -> None:
    shared = SharedCounters(2)
    for one in shared.slots:
        for role in ("candidate", "active"):
            tally = Metrics(one).tally("v1", "r1", role)
            tally.decided("decline", 0.98, 0.0001)
            tally.decided("review", 0.981, 0.3)
            tally.failed(invalid=True)
            tally.failed(invalid=False)
    found = counts(shared.slots)["r1"]
    assert (found.requests, found.errors, found.invalid) == (16, 4, 4)
    assert (found.approve, found.review, found.decline) == (0, 4, 4)
    assert (found.scores[48], found.scores[49], sum(found.scores)) == (4, 4, 8)
    edge = LATENCY_EDGES.index(0.0001), LATENCY_EDGES.index(0.5)
    assert [found.latencies[one] for one in edge] == [4, 4]
    assert since(found, None) == found
    assert since(found, found) == Counts()
