"""What the operator remembers of a detector's models between two looks: the key `record.json` of
the ConfigMap that holds the plan, so that a decision and what follows from it change in one write.

All times are of decisions (RFC 3339, milliseconds, UTC); none moves while nothing happens. A record
is read leniently, as a later operator may have written it: what is not known is passed over.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from fraud_operator.api.status import TrialState
from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.manifest import FileRef, Thresholds
from fraud_scorer.artifact.plan import GOLDEN_TOLERANCE, ManifestRef, PlannedModel

MOST_PROOFS = 50
MOST_ATTEMPTS = 100
MOST_QUARANTINED = 100
"""Entries that the record itself keeps; the store's ledger keeps all."""


class Kept(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of the record."""


class Proof(Kept, frozen=True):
    """A version that verification found good, and the parts of a plan that it gave."""

    key: str
    """`fraud_scorer.artifact.verdict.proof_key`."""
    source: str
    version: str
    digest: str
    manifest: ManifestRef
    model: FileRef
    thresholds: Thresholds | None = None
    """The version's own."""
    published: str = ""
    """When, as its manifest says."""
    report: str = ""
    """Where the report lies, relative to the store's prefix."""
    golden_tolerance: float = GOLDEN_TOLERANCE
    """By how much golden transactions were allowed to differ, and so are in pods."""


class Attempt(Kept, frozen=True):
    """How far the verification of one source is, while it has neither proven nor refused it."""

    key: str
    version: str
    number: int
    """Of the attempt that is under way, or was the last; attempts before it count no more."""
    failures: int = 0
    """Attempts in a row that ended without a verdict."""
    at: str = ""
    """When the last one ended."""
    reason: str = ""
    message: str = ""
    over: bool = False
    """Whether attempt `number` has been heard and must not be heard again."""


class Entry(Kept, frozen=True):
    """What is refused: these bytes under whatever name; where `about_version` is set only what was
    published with that `source`, because its bytes are not those that its manifest states.

    `turn` counts how often it was refused and released: of two entries for the same digest and
    version the one with the greater turn is later, whoever wrote it. It is odd while it is refused.
    """

    digest: str
    """Of the model; of the source where the model's is not known. Begins with `sha256:`."""
    version: str
    reason: str
    message: str
    since: str
    source: str = ""
    about_version: bool = False
    turn: int = 1
    released: Release | None = None

    @property
    def refused(self) -> bool:
        """Whether it forbids anything."""
        return self.turn % 2 == 1


class Release(Kept, frozen=True):
    """Who released it, when and why."""

    by: str
    at: str
    reason: str


class Trial(Kept, frozen=True):
    """The candidate.

    Holding: pods are getting and proving it. Guarded: it waits for a person, because its thresholds
    would move the share of declined transactions by too much. Canary and Shadow: it is being
    compared. Inconclusive: there was too little traffic; it answers nobody until a person decides.
    """

    model: PlannedModel
    state: TrialState = "Holding"
    step: int = 0
    """Of the canary, from 0."""
    since: str = ""
    """When the state or the step began."""
    message: str = ""
    """Why it is Guarded or Inconclusive."""
    promoted: bool = False
    """A person, or going back to it, made it the next one without comparison."""


class Hold(Kept, frozen=True):
    """Somebody went back: `model` stays although `against` is wanted, until something else is."""

    model: PlannedModel
    against: PlannedModel
    at: str
    by: str = ""
    reason: str = ""


class Handled(Kept, frozen=True):
    """What became of the last request of a person."""

    id: str
    action: str
    outcome: Literal["Done", "Refused"]
    message: str


class Isolated(Kept, frozen=True):
    """A pod that the operator took out of the Service, until it confirms the plan."""

    name: str
    uid: str


class Became(Kept, frozen=True):
    """When, by which plan and why the active revision became active."""

    serial: int
    at: str
    why: str


class Record(Kept, frozen=True):
    """The whole memory. `serial` is that of the last plan; the plan itself lies beside it."""

    serial: int = 0
    became: Became | None = None
    trial: Trial | None = None
    proofs: tuple[Proof, ...] = ()
    """The latest first."""
    attempts: tuple[Attempt, ...] = ()
    quarantine: tuple[Entry, ...] = ()
    """The latest first; released ones too, so that the store's ledger can be told of it."""
    hold: Hold | None = None
    withdrawn_serial: int = 0
    """The plan that withdrew something from pods that may not have confirmed it; 0: none."""
    withdrawn_at: str = ""
    isolated: tuple[Isolated, ...] = ()
    request: Handled | None = None


def encode(record: Record) -> str:
    """As the ConfigMap holds it: canonical JSON."""
    return canonical_json(record).decode()


def decode(text: str) -> Record:
    """The record in `text`. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a record: {error}") from None
