"""The engines without a server, each in a process of its own on the serving core."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from bench.engine.measure import Figures
from bench.scorer.environments import NotInstallableError, environment, variables
from bench.scorer.load import pinned
from bench.scorer.material import Material
from bench.scorer.said import why
from bench.scorer.servers import APPS

_LONGEST = 900.0


class EngineError(Exception):
    """An engine could not be measured; the message is what it said."""


class Growth(msgspec.Struct):
    """Microseconds a row, by trees and by rows in a batch."""

    trees: list[tuple[int, float]]
    rows: list[tuple[int, float]]


class Ours(msgspec.Struct):
    """What `python -m bench.engine` measures, ours and scikit-learn's."""

    models: dict[str, Figures]
    growth: Growth


@dataclass(frozen=True)
class Other:
    """Another engine with one model. `problem` says why there are no figures."""

    engine: str
    model: str
    one: float = 0.0
    batch_row: float = 0.0
    worst_difference: float = 0.0
    problem: str = ""


ENGINES: Mapping[str, str] = {"onnxruntime": "fastapi_onnxruntime", "treelite": "treelite"}
"""By name the environment."""


def ours(scratch: Path, core: int) -> Ours:
    """Raises EngineError."""
    output = scratch / "engine.json"
    command = [sys.executable, "-m", "bench.engine", "--output", str(output)]
    done = _run(command, core, Path(__file__).parents[2])
    if not output.exists():
        raise EngineError(f"python -m bench.engine failed: {why(done.stderr)}")
    return msgspec.json.decode(output.read_bytes(), type=Ours)


def other(engine: str, material: Material, core: int, seconds: float) -> Other:
    """Another engine; what went wrong is part of the result."""
    try:
        python = str(environment(ENGINES[engine]) / "python")
        if engine == "onnxruntime":
            _checked([python, str(APPS / "convert_onnx.py"), str(material.folder)], core)
        program = [python, str(APPS / "in_process.py")]
        said = _checked([*program, str(material.folder), engine, str(seconds)], core)
    except (NotInstallableError, EngineError, subprocess.TimeoutExpired) as error:
        return Other(engine, material.name, problem=str(error))
    figures = msgspec.json.decode(said)
    scores = np.array(figures["scores"])
    worst = float(np.max(np.abs(scores - material.expected[: len(scores)])))
    return Other(engine, material.name, figures["one"], figures["batch_row"], worst)


def _checked(command: Sequence[str], core: int) -> str:
    done = _run(command, core, Path(command[1]).parent)
    if done.returncode != 0:
        raise EngineError(why(done.stderr))
    return done.stdout.splitlines()[-1] if done.stdout else ""


def _run(command: Sequence[str], core: int, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*pinned(core), *command],
        cwd=folder,
        env=variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST,
    )
