"""The engines without a server, each in a process of its own on the serving core."""

from __future__ import annotations

import json
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


@dataclass(frozen=True)
class Engine:
    """Where another engine is installed, and the program that makes a model into its own."""

    environment: str
    converter: str


ENGINES: Mapping[str, Engine] = {
    "onnxruntime": Engine("fastapi_onnxruntime", "convert_onnx.py"),
    "treelite": Engine("treelite", "convert_treelite.py"),
}


def ours(materials: Sequence[Material], scratch: Path, core: int) -> Ours:
    """With the models that are trained already. Raises EngineError."""
    output, trained = scratch / "engine.json", scratch / "trained.json"
    trained.write_text(json.dumps({one.name: str(one.trained) for one in materials}))
    command = [sys.executable, "-m", "bench.engine"]
    command += ["--output", str(output), "--trained", str(trained)]
    done = _run(command, core, Path(__file__).parents[2])
    if not output.exists():
        raise EngineError(f"python -m bench.engine failed: {why(done.stderr)}")
    return msgspec.json.decode(output.read_bytes(), type=Ours)


def convert(engine: str, material: Material) -> str:
    """Make the model into that engine's own, on any core: why it could not be, or nothing."""
    one = ENGINES[engine]
    try:
        python = str(environment(one.environment) / "python")
        _checked([python, str(APPS / one.converter), str(material.folder)])
    except (NotInstallableError, EngineError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ""


def other(engine: str, material: Material, core: int, seconds: float) -> Other:
    """Another engine, whose model is converted; what went wrong is part of the result."""
    try:
        python = str(environment(ENGINES[engine].environment) / "python")
        program = [python, str(APPS / "in_process.py")]
        said = _checked([*program, str(material.folder), engine, str(seconds)], core)
    except (NotInstallableError, EngineError, subprocess.TimeoutExpired) as error:
        return Other(engine, material.name, problem=str(error))
    figures = msgspec.json.decode(said)
    scores = np.array(figures["scores"])
    worst = float(np.max(np.abs(scores - material.expected[: len(scores)])))
    return Other(engine, material.name, figures["one"], figures["batch_row"], worst)


def _checked(command: Sequence[str], core: int | None = None) -> str:
    done = _run(command, core, Path(command[1]).parent)
    if done.returncode != 0:
        raise EngineError(why(done.stderr))
    return done.stdout.splitlines()[-1] if done.stdout else ""


def _run(
    command: Sequence[str], core: int | None, folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(() if core is None else pinned(core)), *command],
        cwd=folder,
        env=variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_LONGEST,
    )
