"""The compiled engine against scikit-learn, in one process on one core.

Both score the same distinct rows, in turns, so that a busy machine slows both; each figure is the
best of its rounds. The last line says which goals hold, and the exit status is 0 where all do.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from bench import models
from bench.goals import Goal, verdict
from fraud_scorer.compile import compile_model
from fraud_scorer.engine import Model, load

ROUNDS = 15
BATCH = 256
RESULTS = Path(__file__).parents[1] / "results" / "engine.json"


@dataclass
class Figures:
    """Microseconds, except where the name says otherwise."""

    nodes: int
    file_bytes: int
    compile_seconds: float
    load_ms: float
    one: float
    one_from_dict: float
    one_scikit_learn: float
    batch_row: float
    batch_row_scikit_learn: float
    explained: float

    @property
    def times_one(self) -> float:
        """How often the engine scores a row from a dict while scikit-learn scores it once."""
        return self.one_scikit_learn / self.one_from_dict

    @property
    def times_batch(self) -> float:
        """The same for batches."""
        return self.batch_row_scikit_learn / self.batch_row


def best(functions: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> list[float]:
    """The shortest time of each, in seconds, all taking turns."""
    shortest = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            shortest[i] = min(shortest[i], time.perf_counter() - start)
    return shortest


def opened(estimator: Any, data: models.Data, path: Path) -> tuple[Model, float, float]:
    """(the compiled model, seconds to compile it, seconds to load it)"""
    start = time.perf_counter()
    content = compile_model(estimator, models.INPUTS, reference=data.training[:1000])
    compiled = time.perf_counter() - start
    path.write_bytes(content)
    (loaded,) = best([lambda: load(path)], 5)
    return load(path), compiled, loaded


def measure(estimator: Any, data: models.Data, path: Path) -> Figures:
    """Everything about one model."""
    model, compiled, loaded = opened(estimator, data, path)
    rows = data.scored[:1000]
    tuples = [tuple(row) for row in rows.tolist()]
    dicts = [dict(zip(models.NAMES, row, strict=True)) for row in tuples]
    batches = [np.ascontiguousarray(data.scored[i : i + BATCH]) for i in range(0, 4 * BATCH, BATCH)]
    out = np.empty(BATCH)
    score = model.score_one
    singles = [rows[i : i + 1] for i in range(10)]
    one, named, batch, theirs, their_batch, explained = best(
        [
            lambda: [score(row) for row in tuples],
            lambda: [score(row) for row in dicts],
            lambda: [model.score_matrix(b.data, out.data) for b in batches],
            lambda: [estimator.predict_proba(row) for row in singles],
            lambda: [estimator.predict_proba(b) for b in batches],
            lambda: [model.explain(row, 4) for row in dicts[:100]],
        ]
    )
    agreed = estimator.predict_proba(rows)[:, 1]
    assert np.allclose(model.score_rows(tuples), agreed, rtol=0, atol=1e-12)
    per_row = len(batches) * BATCH
    return Figures(
        nodes=model.header.nodes,
        file_bytes=path.stat().st_size,
        compile_seconds=compiled,
        load_ms=loaded * 1e3,
        one=one / len(tuples) * 1e6,
        one_from_dict=named / len(dicts) * 1e6,
        one_scikit_learn=theirs / len(singles) * 1e6,
        batch_row=batch / per_row * 1e6,
        batch_row_scikit_learn=their_batch / per_row * 1e6,
        explained=explained / 100 * 1e6,
    )


def growth(forest: Any, data: models.Data, path: Path) -> dict[str, list[tuple[int, float]]]:
    """Microseconds a row by trees, and microseconds a row by rows in a batch."""
    by_trees = []
    rows = [tuple(row) for row in data.scored[:200].tolist()]
    for trees in (10, 30, 100, 300, 1000):
        path.write_bytes(compile_model(models.repeated(forest, trees), models.INPUTS))
        score = load(path).score_one
        (took,) = best([lambda score=score: [score(row) for row in rows]], 8)  # type: ignore[misc]
        by_trees.append((trees, took / len(rows) * 1e6))
    path.write_bytes(compile_model(forest, models.INPUTS))
    model = load(path)
    by_rows = []
    for count in (1, 4, 16, 64, 256, 1024, 4096):
        matrix, out = np.ascontiguousarray(data.scored[:count]), np.empty(count)
        (took,) = best([lambda m=matrix, o=out: model.score_matrix(m.data, o.data)], 8)  # type: ignore[misc]
        by_rows.append((count, took / count * 1e6))
    return {"trees": by_trees, "rows": by_rows}


def goals(figures: dict[str, Figures]) -> Iterator[Goal]:
    """What the engine is to reach."""
    deep, pure, line = (figures[n] for n in ("forest, depth 12", "forest, to purity", "logistic"))
    one, times = deep.one_from_dict, deep.times_one
    yield Goal("depth 12: at most 8 us a row", f"{one:.1f} us", one <= 8)
    yield Goal("depth 12: at least 1,500 x predict_proba", f"{times:,.0f} x", times >= 1500)
    yield Goal(
        "to purity: at least 400 x predict_proba",
        f"{pure.times_one:,.0f} x",
        pure.times_one >= 400,
    )
    yield Goal(
        "linear: at most 1 us a row", f"{line.one_from_dict:.2f} us", line.one_from_dict <= 1
    )
    yield Goal(
        f"depth 12: at least 15 x scikit-learn in batches of {BATCH}",
        f"{deep.times_batch:.0f} x",
        deep.times_batch >= 15,
    )


def table(figures: dict[str, Figures]) -> list[str]:
    """For people."""
    heads = ("model", "nodes", "MB", "load ms", "one row", "from dict", "sklearn", "times")
    more = ("in 256", "sklearn", "times", "reasons")
    lines = [("{:18}{:>9}{:>7}{:>9}" + 8 * "{:>10}").format(*heads, *more)]
    for name, f in figures.items():
        lines.append(
            f"{name:18}{f.nodes:9,}{f.file_bytes / 1e6:7.2f}{f.load_ms:9.2f}"
            f"{f.one:10.2f}{f.one_from_dict:10.2f}{f.one_scikit_learn:10.0f}{f.times_one:10,.0f}"
            f"{f.batch_row:10.2f}{f.batch_row_scikit_learn:10.2f}{f.times_batch:10.1f}"
            f"{f.explained:10.1f}"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, report, and say whether the goals hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--trained",
        type=Path,
        metavar="FILE",
        help="models trained already: a JSON object of their joblib files by name",
    )
    options = parser.parse_args(arguments)
    print("-- simulating and training", file=sys.stderr)
    data = models.data()
    figures: dict[str, Figures] = {}
    with TemporaryDirectory() as folder, threadpool_limits(1):
        path = Path(folder) / "model.fdm"
        kept = json.loads(options.trained.read_text()) if options.trained else {}
        trained = {}
        for name, model in models.estimators().items():
            before = kept.get(name)
            trained[name] = joblib.load(before) if before else models.fitted(model, data)
            print(f"-- measuring {name}", file=sys.stderr)
            figures[name] = measure(trained[name], data, path)
        grown = growth(trained["forest, depth 12"], data, path)
    print("microseconds a row; best of the rounds, engine and scikit-learn taking turns")
    print("\n".join(table(figures)))
    for what, points in grown.items():
        print(f"us a row by {what}: " + ", ".join(f"{n:,}: {took:.2f}" for n, took in points))
    content = {"models": {n: asdict(f) for n, f in figures.items()}, "growth": grown}
    for path in filter(None, (options.output, RESULTS if options.save else None)):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")
    reached = list(goals(figures))
    print(verdict(reached))
    return 0 if all(goal.holds for goal in reached) else 1
