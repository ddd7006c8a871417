"""What was found of a version, as data: the report for programs, and all that its page shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
from msgspec import Struct

from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.pipeline.envelope import Decision
from fraud_scorer.verification.refusal import Refusal

DECISIONS: tuple[Decision, ...] = ("approve", "review", "decline")

CHECKS = {
    "signature": "Signed by a key of the detector",
    "files": "The files are those that were published",
    "load": "The engine opens the model, and its inputs are the manifest's features",
    "golden": "Golden transactions score as published",
    "inputs": "What callers send today is taken",
    "speed": "A score is fast enough",
    "scores": "Sampled transactions get scores that are probabilities",
    "kept": "Proven bytes are kept by digest, read back and hashed",
}
"""In the order in which they are made."""


class _Data(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    pass


class Check(_Data, frozen=True):
    """One thing that was looked at, or was not reached, or not asked for."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    said: str = ""


class Shape(_Data, frozen=True):
    """The model itself."""

    framework: str
    exactness: str
    bytes: int
    inputs: int
    trees: int
    nodes: int
    reasons: bool
    thresholds: Thresholds | None = None


class Other(_Data, frozen=True):
    """The version that serves now. `missing` says why nothing could be compared with it."""

    version: str
    digest: str
    thresholds: Thresholds
    missing: str = ""


class Scores(_Data, frozen=True):
    """How scores of the same sampled transactions are distributed: shares of bins of equal width
    from 0 to 1. `psi` is the population stability index of one against the other. `weighted` says
    that transactions count by how frequent the candidate's score was where it was published."""

    rows: int
    origin: str
    weighted: bool
    candidate: tuple[float, ...]
    active: tuple[float, ...] | None = None
    psi: float | None = None


class Decisions(_Data, frozen=True):
    """What becomes of the same sampled transactions, in shares. `moves[i][j]` is of those for which
    decision i by the active version would become decision j, in the order of DECISIONS."""

    candidate: tuple[float, float, float]
    active: tuple[float, float, float] | None = None
    moves: tuple[tuple[float, float, float], ...] = ()
    changed: float | None = None
    """The share of transactions that would be decided otherwise."""


class Judged(_Data, frozen=True):
    """Decisions held against what golden transactions turned out to be: caught is what is reviewed
    or declined. None where nothing was caught, or nothing was fraud."""

    precision: float | None = None
    recall: float | None = None


class Labelled(_Data, frozen=True):
    """Over the golden transactions that have a label."""

    fraud: int
    genuine: int
    candidate: Judged
    active: Judged | None = None


class Moved(_Data, frozen=True):
    """How far a feature's reference distribution is from the active version's."""

    feature: str
    psi: float


class Findings(_Data, frozen=True):
    """The whole report."""

    schema_version: Literal[1] = msgspec.field(name="schemaVersion")
    outcome: Literal["Proven", "Refused"]
    reason: str
    version: str
    source: str
    message: str = ""
    model: str = ""
    digest: str = ""
    created_at: str = ""
    checks: tuple[Check, ...] = ()
    shape: Shape | None = None
    active: Other | None = None
    scores: Scores | None = None
    decisions: Decisions | None = None
    labelled: Labelled | None = None
    moved: tuple[Moved, ...] = ()


class Checklist:
    """The checks as they are made."""

    def __init__(self) -> None:
        self._made: dict[str, Check] = {}

    @contextmanager
    def making(self, name: str) -> Iterator[list[str]]:
        """Make a check; what is appended to the list is said of it. Refusal is its failure."""
        said: list[str] = []
        try:
            yield said
        except Refusal as refusal:
            self._made[name] = Check(name=name, outcome="failed", said=refusal.message)
            raise
        self._made[name] = Check(name=name, outcome="passed", said="; ".join(said))

    def skip(self, name: str, why: str) -> None:
        """Note that a check was not asked for."""
        self._made[name] = Check(name=name, outcome="skipped", said=why)

    @property
    def made(self) -> tuple[Check, ...]:
        """All of them, those that were not reached too."""
        return tuple(
            self._made.get(name) or Check(name=name, outcome="skipped", said="not reached")
            for name in CHECKS
        )
