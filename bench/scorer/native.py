"""The two C programs of this benchmark, compiled by the run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent
_ENGINE = Path(__file__).parents[2] / "scorer" / "fraud_scorer" / "engine" / "csrc"
_WITHOUT_PYTHON = ("load.c", "eval.c", "trees.c", "mathfn.c")


class CompilerError(Exception):
    """There is no C compiler, or it refused; the message says what it said."""


def generator(folder: Path) -> Path:
    """The load generator, compiled into `folder`."""
    return _compiled(folder / "generator", [_HERE / "generator" / "generator.c"], [])


def yardstick(folder: Path) -> Path:
    """The C server, with the engine's own sources and flags."""
    sources = [
        *sorted((_HERE / "yardstick").glob("*.c")),
        *(_ENGINE / one for one in _WITHOUT_PYTHON),
    ]
    return _compiled(folder / "yardstick", sources, [_HERE / "yardstick", _ENGINE])


def _compiled(output: Path, sources: Sequence[Path], include: Sequence[Path]) -> Path:
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O3", "-ffp-contract=off", "-Wall"]
    command += [f"-I{folder}" for folder in include]
    command += ["-o", str(output), *map(str, sources), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CompilerError(f"{command[0]} is not here: install gcc, or name one in CC") from None
    if done.returncode != 0:
        raise CompilerError(f"{output.name} does not compile:\n{done.stderr[-2000:]}")
    return output
