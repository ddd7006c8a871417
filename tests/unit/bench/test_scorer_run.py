"""A long run that something goes wrong with still tells what it has measured."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.scorer import command, report
from bench.scorer.goals import FOREST, Results
from bench.scorer.load import Cores, Generator
from bench.scorer.material import Material
from bench.scorer.measure import Bench, Spans
from bench.scorer.servers import Server
from fraud_scorer.artifact.manifest import Thresholds
from tests.unit.bench.test_scorer_goals import everything_good


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go."""
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "_cores", lambda: Cores(0, 1))
    return tmp_path


def test_a_run_that_is_cut_leaves_what_it_has(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: Any) -> Iterator[tuple[Results, list[Material]]]:
        yield everything_good(), []
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_measure", measure)
    with pytest.raises(KeyboardInterrupt):
        command.main([])
    assert {path.name for path in folder.iterdir()} == {"scorer-so-far.md", "scorer-so-far.json"}
    kept = json.loads((folder / "scorer-so-far.json").read_text())
    assert kept["results"]["servers"][FOREST]["fraudops"]["server"] == "fraudops"


def test_a_run_that_ends_leaves_its_results_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_measure", lambda *_: iter([(everything_good(), [])]))
    assert command.main([]) == 0
    assert {path.name for path in folder.iterdir()} == {"scorer.md", "scorer.json"}


def broken(**changes: Any) -> Server:
    given: dict[str, Any] = {
        "start": lambda _: ["sleep", "60"],
        "path": "/",
        "body": lambda transaction: transaction,
        "score": lambda answer: float(answer),
    }
    return Server("broken", "a broken peer", **(given | changes))


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        (broken(start=lambda _: ["false"]), "it ended with 1"),
        (broken(body=lambda transaction: transaction["missing"]), "KeyError: 'missing'"),
    ],
    ids=["ends at once", "is asked in a wrong way"],
)
def test_what_a_peer_does_is_a_result(tmp_path: Path, server: Server, problem: str) -> None:
    core = min(os.sched_getaffinity(0))
    material = Material(
        name="any",
        folder=tmp_path,
        nodes=0,
        thresholds=Thresholds(review="0.5", decline="0.9"),
        digest="",
        transactions=[{}],
        expected=np.zeros(1),
    )
    bench = Bench(Generator(tmp_path / "generator", Cores(core, core)), tmp_path, Spans(0, 0, 1))
    found = bench.peer(server, material)
    assert found.problem.startswith(problem)
    assert found.rate == 0
