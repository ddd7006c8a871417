"""Every peer gets the very library that wrote the model, and nothing that is not pinned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.scorer.environments import PINS
from bench.scorer.in_process import ENGINES
from bench.scorer.servers import PEERS

ROOT = Path(__file__).parents[3]
NAMES = sorted({peer.environment for peer in PEERS} | {one.environment for one in ENGINES.values()})
_PINNED = re.compile(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)


def pinned(path: Path, library: str) -> set[str]:
    """The versions that a file pins a library to (one a marker)."""
    return {version for name, version in _PINNED.findall(path.read_text()) if name == library}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("library", ["scikit-learn", "numpy", "joblib"])
def test_same_libraries_as_where_models_are_trained(name: str, library: str) -> None:
    ours = pinned(ROOT / "locks" / "dev.txt", library)
    assert ours
    assert pinned(PINS / f"{name}.txt", library) == ours


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_a_pin(name: str) -> None:
    lines = [line for line in (PINS / f"{name}.txt").read_text().splitlines() if line.strip()]
    assert all(_PINNED.match(line) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_asked_for_is_among_the_pins(name: str) -> None:
    asked = re.findall(r"^[\w-]+", (PINS / f"{name}.in").read_text(), re.MULTILINE)
    assert all(pinned(PINS / f"{name}.txt", library) for library in asked)


def test_no_pins_without_a_peer() -> None:
    assert {path.stem for path in PINS.glob("*.txt")} == set(NAMES)
