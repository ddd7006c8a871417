"""Golden files: what a function made when a person last looked at it and found it right.

FRAUDOPS_UPDATE_GOLDEN=1 writes them anew; the diff in git is then what is to be looked at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from fraud_operator.install.documents import document


def assert_golden(path: Path, made: dict[str, Any]) -> None:
    """`made` is what the YAML file at `path` says."""
    if os.environ.get("FRAUDOPS_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document(made))
    assert made == yaml.safe_load(path.read_text()), f"not what {path.name} says"
