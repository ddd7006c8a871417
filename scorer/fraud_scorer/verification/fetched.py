"""What `fetch` leaves for the others: the version's files where they lie in the store, and what is
known of them. Or the verdict, where there is nothing to be compiled and judged any more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.manifest import FILE_NAME, Sha256, Strict
from fraud_scorer.artifact.verdict import Verdict, encode

STORE = "store"
"""Below it, the files by their paths in the store."""
SIGNATURE_SUFFIX = ".sig"

_RECORD = "fetched.json"
_VERDICT = "verdict.json"


class Fetched(Strict, frozen=True):
    """A version, here. `source` is the sha256 of what was published as the whole of it: of the
    manifest, or of the model file where there is none (`bare` is its name then).

    `compiles` is the file that has to be compiled, by its path in the store; empty: none has.
    """

    version: str
    source: Sha256
    size: Annotated[int, Meta(ge=1)]
    """Of the bare file, or of the manifest."""
    created_at: Annotated[datetime, Meta(tz=True)]
    bare: str = ""
    compiles: str = ""

    @property
    def signed(self) -> str:
        """What a signature is over, by its path in the store."""
        return f"{self.version}/{self.bare or FILE_NAME}"


class Folder:
    """The folder that `fetch` writes and the others read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / STORE

    def file(self, path: str) -> Path:
        """A file of the version, by its path in the store."""
        return self.store / path

    def keep(self, record: Fetched) -> None:
        """Say that all is here; written last."""
        (self.root / _RECORD).write_bytes(canonical_json(record))

    def refuse(self, verdict: Verdict) -> None:
        """Leave a verdict in place of the files."""
        (self.root / _VERDICT).write_bytes(encode(verdict))

    def verdict(self) -> Verdict | None:
        """The verdict that was left, if one was."""
        path = self.root / _VERDICT
        return msgspec.json.decode(path.read_bytes(), type=Verdict) if path.exists() else None

    def record(self) -> Fetched:
        """What is here. Raises OSError where nothing is, or not all of it."""
        return msgspec.json.decode((self.root / _RECORD).read_bytes(), type=Fetched)
