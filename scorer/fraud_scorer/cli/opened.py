"""A model for a command that asks it something: a version's folder, or a compiled file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.source import from_path


def opened(path: Path, thresholds: Thresholds | None = None) -> LoadedModel:
    """The model, proven where it has golden transactions. Raises PlanError and Refused."""
    with tempfile.TemporaryDirectory(prefix="fraud-scorer-") as folder:
        return from_path(path, thresholds).load(Path(folder))
