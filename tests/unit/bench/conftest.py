"""The benchmark's C programs, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.scorer import native


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return native.generator(tmp_path_factory.mktemp("generator"))


@pytest.fixture(scope="session")
def yardstick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return native.yardstick(tmp_path_factory.mktemp("yardstick"))
