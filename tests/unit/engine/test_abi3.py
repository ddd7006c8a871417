"""One build serves every Python: the module uses the stable ABI only, and imports nothing heavy."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_scorer.engine import _walk, load
from tests.unit.engine.catalogue import BY_NAME, table
from tests.unit.engine.comparing import compiled_bytes

OTHERS = [
    path
    for minor in range(11, 16)
    for path in [shutil.which(f"python3.{minor}")]
    if path and minor != sys.version_info.minor
]

SCRIPT = """if True:
    import importlib.util, json, sys
    spec = importlib.util.spec_from_file_location("_walk", sys.argv[1])
    walk = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(walk)
    model = walk.Model(open(sys.argv[2], "rb").read())
    n = model.shape[0]
    model.bind(tuple(f"n{i}" for i in range(n)), (None,) * n, b"\\1" * n, ValueError)
    print(json.dumps([x.hex() for x in model.score_rows(json.loads(sys.argv[3]))]))
"""


def run(python: str, data: Path, rows: list[object]) -> list[str] | None:
    """The scores by another interpreter, or None where that is no working one."""
    if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        return None
    assert _walk.__file__
    done = subprocess.run(
        [python, "-c", SCRIPT, _walk.__file__, str(data), json.dumps(rows)],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_the_file_says_so() -> None:
    assert _walk.__file__ is not None
    assert _walk.__file__.endswith(".abi3.so")


@pytest.mark.slow
def test_the_same_bits_in_every_python_here(tmp_path: Path) -> None:
    data = tmp_path / "model.fdm"
    data.write_bytes(compiled_bytes(BY_NAME["hist-missing"]))
    rows = [list(row) for row in table("missing", 60, 8).rows]
    expected = [x.hex() for x in load(data).score_rows(rows)]
    for python in [sys.executable, *OTHERS]:
        assert run(python, data, list(rows)) in (expected, None)


def test_the_engine_imports_neither_numpy_nor_scikit_learn() -> None:
    script = (
        "import fraud_scorer.engine, sys;"
        "sys.exit(any(m in sys.modules for m in ('numpy', 'sklearn', 'scipy', 'joblib')))"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
