"""Secrets as pods have them mounted: a folder with a file for each key."""

from __future__ import annotations

from pathlib import Path


def secret(folder: Path, **keys: str) -> Path:
    """Write one; where it is."""
    folder.mkdir(exist_ok=True)
    for name, value in keys.items():
        (folder / name).write_text(value)
    return folder
