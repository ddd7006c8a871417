"""`operator` is also a standard-library module, and a folder here must never stand in for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROBE = "import operator, collections; print(operator.__file__ or 'no file', operator.itemgetter)"


@pytest.mark.parametrize("folder", ["operator", "scorer"])
def test_the_folder_is_no_package(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize(
    "python",
    sorted(
        {path for path in (sys.executable, shutil.which("python3"), "/usr/bin/python3") if path}
    ),
)
def test_python_started_in_the_root_gets_the_standard_library(python: str) -> None:
    """`-c` puts the working directory first on the path, before the standard library."""
    if not Path(python).exists():
        pytest.skip(f"{python} is not on this machine")
    answer = subprocess.run(
        [python, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=False, env={}
    )
    assert answer.returncode == 0, answer.stderr
    assert str(ROOT) not in answer.stdout.split()[0]
    assert "operator.itemgetter" in answer.stdout
