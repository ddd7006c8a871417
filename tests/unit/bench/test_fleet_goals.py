"""What is judged of a run of the operator beside others, and what is said with it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.fleet import command, report
from bench.fleet.bare import Limit
from bench.fleet.creation import Creation
from bench.fleet.goals import Results, goals
from bench.goals import Goal


def run(*, ready_seconds: float, limit_seconds: float, requests: int) -> Results:
    limit = Limit(
        detectors=300, children=2700, concurrency=16, applied_seconds=20.0,
        ready_seconds=limit_seconds, cluster_cpu_seconds=30.0,
    )  # fmt: skip
    creation = Creation(
        detectors=300, children=2700, created_seconds=1.0, applied_seconds=25.0,
        ready_seconds=ready_seconds, reconciles=1500, requests={"patch services": requests},
        most_applies_a_child=1, most_status_writes=1, most_events=1, cpu_seconds=8.0,
        cluster_cpu_seconds=35.0, peak_megabytes=130.0,
    )  # fmt: skip
    return Results(limits={300: limit}, creations={300: creation})


def judged(results: Results, words: str) -> Goal:
    (goal,) = (one for one in goals(results) if words in one.promise)
    return goal


@pytest.mark.parametrize(("seconds", "holds"), [(30.0, False), (20.1, False), (19.9, True)])
def test_the_rate_is_judged_as_it_is_and_told_with_its_limit(seconds: float, holds: bool) -> None:
    goal = judged(run(ready_seconds=seconds, limit_seconds=25.0, requests=3000), "15 Ready")
    assert goal.holds is holds, "whatever the limit was"
    assert goal.measured == f"{300 / seconds:.1f} (the bare script, our limit here: 12.0)"


@pytest.mark.parametrize(("requests", "holds"), [(3300, False), (2399, True)])
def test_requests_are_judged_by_the_detector_and_told_by_the_object_too(
    requests: int, holds: bool
) -> None:
    results = run(ready_seconds=30.0, limit_seconds=25.0, requests=requests)
    goal = judged(results, "requests a detector")
    assert goal.holds is holds
    a_detector, an_object = requests / 300, requests / 3000
    assert goal.measured == f"{a_detector:.2f} ({an_object:.2f} an object created)"
    text = report.markdown(results, [goal], {}, "python -m bench.fleet")
    assert f"{a_detector:.1f} a detector, {an_object:.2f} an object created" in text
    assert "(10 a second; bare script: 12)" in text


@pytest.mark.parametrize(("made", "written"), [(True, {"cut.md", "cut.json"}), (False, set())])
def test_a_run_that_does_not_get_to_its_end_tells_what_it_has(
    made: bool, written: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SimpleNamespace(cluster=SimpleNamespace(version="v1.36.3"))
    monkeypatch.setattr(command, "bed", lambda *, keep: nullcontext(place))

    async def measure(_: object, __: object, results: Results) -> None:
        if made:
            found = run(ready_seconds=20.0, limit_seconds=19.0, requests=2000)
            results.limits, results.creations = found.limits, found.creations
        raise TimeoutError("the operator does not become ready")

    monkeypatch.setattr(command, "_measure", measure)
    assert command.main(["--output", str(tmp_path), "--name", "cut"]) == 2
    assert {path.name for path in tmp_path.iterdir()} == written
