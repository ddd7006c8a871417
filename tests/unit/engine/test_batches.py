"""A score is the same bits alone or in a batch of any size, from dicts, tuples or a matrix,
whatever the thread's rounding mode, with neighbours that are refused, and in another process."""

from __future__ import annotations

import ctypes
import json
import math
import platform
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fraud_scorer.compile import compile_model
from fraud_scorer.engine import Model, RowError, load
from tests.unit.engine.catalogue import BY_NAME, CASES, Case, fitted, table
from tests.unit.engine.comparing import compiled
from tests.unit.engine.data import Row, hostile_rows

SIZES = [1, 7, 8, 9, 33, 100]


def one_by_one(model: Model, rows: list[Row]) -> list[float]:
    made = []
    for row in rows:
        try:
            made.append(model.score_one(row))
        except RowError:
            made.append(math.nan)
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_any_batch(case: Case) -> None:
    model = compiled(case)
    fresh = table(case.kind, 80, 3)
    rows = fresh.rows + hostile_rows(fresh, np.zeros(0), seed=2, n=0)
    rows = (rows * 2)[: max(SIZES)]
    expected = one_by_one(model, rows)
    for size in SIZES:
        np.testing.assert_array_equal(model.score_rows(rows[:size]), expected[:size])


def test_dicts_tuples_and_matrix_agree() -> None:
    case = BY_NAME["forest"]
    model = compiled(case)
    rows = table(case.kind, 300, 4).rows
    dicts = [dict(zip((one.name for one in model.inputs), row, strict=True)) for row in rows]
    matrix = np.array(rows, dtype=float)
    out = np.empty(len(rows))
    model.score_matrix(matrix, out)
    expected = model.score_rows(rows)
    assert model.score_rows(dicts) == expected
    assert out.tolist() == expected
    assert [model.score_one(list(row)) for row in rows] == expected


@pytest.mark.parametrize("name", ["gradient", "logistic", "isotonic-forest"])
def test_rounding_mode_of_the_thread_does_not_matter(name: str) -> None:
    case = BY_NAME[name]
    model = compiled(case)
    rows = table(case.kind, 100, 5).rows
    expected = model.score_rows(rows)
    libm = ctypes.CDLL("libm.so.6")
    upward = {"x86_64": 0x800, "aarch64": 0x400000}[platform.machine()]
    assert libm.fesetround(upward) == 0
    try:
        changed = model.score_rows(rows)
        still_upward = libm.fegetround() == upward
    finally:
        libm.fesetround(0)
    assert changed == expected
    assert still_upward


def test_threads_share_a_model() -> None:
    case = BY_NAME["hist-categories"]
    model = compiled(case)
    rows = table(case.kind, 400, 6).rows
    expected = model.score_rows(rows)
    results: list[list[float]] = []
    threads = [
        threading.Thread(target=lambda: results.append(model.score_rows(rows))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_another_process_and_the_file_itself_agree(tmp_path: Path) -> None:
    case = BY_NAME["voting-weights"]
    path = tmp_path / "model.fdm"
    path.write_bytes(compile_model(fitted(case.name), table(case.kind).specs))
    rows = table(case.kind, 50, 7).rows
    script = """if True:
        import json, sys
        from fraud_scorer.engine import load
        model = load(sys.argv[1])
        print(json.dumps([x.hex() for x in model.score_rows(json.loads(sys.argv[2]))]))
    """
    out = subprocess.run(
        [sys.executable, "-c", script, str(path), json.dumps(rows)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert json.loads(out) == [x.hex() for x in load(path).score_rows(rows)]
