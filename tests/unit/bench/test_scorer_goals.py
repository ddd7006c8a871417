"""The last line of `python -m bench.scorer` says what the figures say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.goals import verdict
from bench.scorer.goals import FOREST, LINEAR, Results, best_unbatched, goals
from bench.scorer.load import Load
from bench.scorer.measure import Measured


def load(rate: float, *, p99: float = 1000.0, goodput: float | None = None) -> Load:
    return Load(
        rate=rate, goodput=rate if goodput is None else goodput, all=1200, answered=1000, late=0,
        broken=0, dropped=0, waiting=0, cpu=0.5, status={"200": 1000},
        p50=100.0, p90=200.0, p99=p99, p999=p99, longest=p99,
    )  # fmt: skip


def measured(key: str, rate: float, *, scikit_learn: bool = False) -> Measured:
    return Measured(
        key, key, batched=False, scikit_learn=scikit_learn, start_seconds=0.5, memory_mb=60,
        largest_process_mb=60, cpu_us=10,
        closed={16: load(rate / 2), 64: load(rate)}, half=load(rate / 2),
    )  # fmt: skip


def everything_good() -> Results:
    servers = {
        model: {
            "fraudops": measured("fraudops", 60_000),
            "yardstick": measured("yardstick", 90_000),
            "fastapi-sklearn": measured("fastapi-sklearn", slow, scikit_learn=True),
            "fastapi-onnxruntime": measured("fastapi-onnxruntime", 5000),
        }
        for model, slow in ((FOREST, 100), (LINEAR, 1000))
    }
    return Results(servers=servers, declined=load(30_000), overloaded=load(70_000, goodput=55_000))


def missed(results: Results) -> list[str]:
    return [goal.promise for goal in goals(results) if not goal.holds]


def test_all_hold() -> None:
    results = everything_good()
    assert missed(results) == []
    assert verdict(list(goals(results))) == "All 12 goals hold."


def test_the_limit_of_the_machine_stands_beside_ours() -> None:
    said = {goal.promise: goal.measured for goal in goals(everything_good())}
    best = f"{FOREST}: at least 300 x the best unbatched scikit-learn server"
    assert said[best] == "600 x fastapi-sklearn; the C server 900 x"
    assert said[f"{LINEAR}: at least 5 x FastAPI + onnxruntime"] == "12.0 x; the C server 18.0 x"


@pytest.mark.parametrize(
    ("model", "key", "rate", "promise"),
    [
        (FOREST, "fastapi-sklearn", 201, "at least 300 x the best unbatched"),
        (LINEAR, "fastapi-sklearn", 1201, "at least 50 x the best unbatched"),
        (FOREST, "fastapi-onnxruntime", 12_001, "at least 5 x FastAPI + onnxruntime"),
        (LINEAR, "yardstick", 100_001, "at least 60 % of the C server"),
    ],
)
def test_another_server_is_too_near(model: str, key: str, rate: float, promise: str) -> None:
    results = everything_good()
    results.servers[model][key].closed = {64: load(rate)}
    (only,) = missed(results)
    assert only.startswith(f"{model}: {promise}")


def test_slow_answers() -> None:
    results = everything_good()
    results.ours(LINEAR).half = load(30_000, p99=2000.1)
    assert missed(results) == [f"{LINEAR}: p99 at half of the top rate under 2 ms"]


def test_large_and_late() -> None:
    results = everything_good()
    results.ours(FOREST).largest_process_mb = 80
    results.ours(FOREST).start_seconds = 1.0
    assert missed(results) == [f"{FOREST}: a process under 80 MB", f"{FOREST}: ready in under 1 s"]


def test_slow_reasons_and_collapse_under_overload() -> None:
    results = replace(
        everything_good(), declined=load(14_999), overloaded=load(90_000, goodput=47_000)
    )
    assert [one.partition(": ")[2][:12] for one in missed(results)] == [
        "all declined",
        "goodput at t",
    ]


def test_what_of_ours_failed_is_a_missed_goal() -> None:
    results = replace(everything_good(), declined=None, failures={"everything declined": "broken"})
    assert missed(results) == ["everything declined: measured"]
    assert "everything declined: measured (broken)" in verdict(list(goals(results)))


def test_a_batching_or_failed_peer_is_not_the_best_unbatched_one() -> None:
    results = everything_good()
    servers = results.servers[FOREST]
    servers["batching"] = replace(measured("batching", 900, scikit_learn=True), batched=True)
    servers["failed"] = replace(measured("failed", 900, scikit_learn=True), problem="no wheel")
    best = best_unbatched(results, FOREST)
    assert best is not None
    assert best.server == "fastapi-sklearn"
