"""What the scorer promises, and whether a run kept it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.engine.measure import goals as engine_goals
from bench.goals import Goal
from bench.scorer.in_process import Other, Ours
from bench.scorer.load import Load
from bench.scorer.measure import Measured

FOREST, LINEAR = "forest, depth 12", "logistic"


@dataclass
class Results:
    """Everything that a run measured, servers by model and key; what it left out is missing."""

    engine: Ours | None = None
    engines: list[Other] = field(default_factory=list)
    servers: dict[str, dict[str, Measured]] = field(default_factory=dict)
    declined: Load | None = None
    overloaded: Load | None = None
    loopback: Load | None = None
    failures: dict[str, str] = field(default_factory=dict)
    """What of ours could not be measured, and why."""

    def ours(self, model: str) -> Measured:
        return self.servers[model]["fraudops"]

    def yardstick(self, model: str) -> Measured:
        return self.servers[model]["yardstick"]


def goals(results: Results) -> Iterator[Goal]:
    """Every promise that this run can tell something about."""
    if results.engine is not None:
        for goal in engine_goals(results.engine.models):
            yield Goal(f"engine, {goal.promise}", goal.measured, goal.holds)
    for what, why in results.failures.items():
        yield Goal(f"{what}: measured", why, False)
    yield from _beside_peers(results)
    yield from _by_itself(results)


def best_unbatched(results: Results, model: str) -> Measured | None:
    """The fastest peer that runs scikit-learn for each request by itself."""
    found = [
        one
        for one in results.servers.get(model, {}).values()
        if one.scikit_learn and not one.batched and not one.problem
    ]
    return max(found, key=lambda one: one.rate, default=None)


def _beside_peers(results: Results) -> Iterator[Goal]:
    for model, wanted in ((FOREST, 300), (LINEAR, 50)):
        if (best := best_unbatched(results, model)) is not None:
            times = results.ours(model).rate / best.rate
            limit = results.yardstick(model).rate / best.rate
            yield Goal(
                f"{model}: at least {wanted} x the best unbatched scikit-learn server",
                f"{times:,.0f} x {best.title}; the C server {limit:,.0f} x",
                times >= wanted,
            )
    for model, servers in results.servers.items():
        onnx = servers.get("fastapi-onnxruntime")
        if onnx is not None and not onnx.problem:
            times = results.ours(model).rate / onnx.rate
            limit = results.yardstick(model).rate / onnx.rate
            yield Goal(
                f"{model}: at least 5 x FastAPI + onnxruntime",
                f"{times:.1f} x; the C server {limit:.1f} x",
                times >= 5,
            )


def _by_itself(results: Results) -> Iterator[Goal]:
    for model in results.servers:
        ours = results.ours(model)
        share = ours.rate / results.yardstick(model).rate
        yield Goal(f"{model}: at least 60 % of the C server", f"{share:.0%}", share >= 0.6)
        if ours.half is not None:
            p99 = ours.half.p99 / 1000
            yield Goal(f"{model}: p99 at half of the top rate under 2 ms", f"{p99:.2f} ms", p99 < 2)
    if FOREST not in results.servers:
        return
    ours = results.ours(FOREST)
    size, start = ours.largest_process_mb, ours.start_seconds
    yield Goal(f"{FOREST}: a process under 80 MB", f"{size:.0f} MB", size < 80)
    yield Goal(f"{FOREST}: ready in under 1 s", f"{start:.2f} s", start < 1)
    if results.declined is not None:
        share = results.declined.rate / ours.rate
        yield Goal(
            f"{FOREST}: all declined, with reasons, at 25 % of the rate or more",
            f"{share:.0%}",
            share >= 0.25,
        )
    if results.overloaded is not None:
        share = results.overloaded.goodput / ours.rate
        yield Goal(
            f"{FOREST}: goodput at twice the top rate at least 80 % of it",
            f"{share:.0%}",
            share >= 0.8,
        )
