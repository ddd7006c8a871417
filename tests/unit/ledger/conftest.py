"""A spool, and nothing else: recording needs no store."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_scorer.ledger.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty one, with room for sixteen segments."""
    return Spool(tmp_path / "spool", 16 << 20)
