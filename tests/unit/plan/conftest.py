"""Golden manifests lie in `golden/`, one file a case."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.golden import assert_golden

Golden = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def golden() -> Golden:
    """Compare a manifest with the file of that name."""
    folder = Path(__file__).parent / "golden"
    return lambda name, made: assert_golden(folder / f"{name}.yaml", made)
