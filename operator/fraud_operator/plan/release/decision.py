"""What `decide` decides, for those who carry it out.

In this order: plan and record are written in one write of the ConfigMap, against the
resourceVersion that they were decided from (where that fails nothing else is done, and it is
decided anew); then pods are told, isolated and restored; then the store's ledger is written. Each
step may fail: the next decision asks again for what is not yet so.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from fraud_operator.api.status import VersionState
from fraud_operator.plan.release.history import Revision
from fraud_operator.plan.release.record import Entry, Record
from fraud_operator.plan.types import Event
from fraud_scorer.artifact.plan import ModelPlan, PlannedModel


@dataclass(frozen=True, slots=True)
class WantedVerification:
    """A verification that is to run: the Job is named by key and attempt. While it is wanted it is
    to stay; one that is not wanted any more can go."""

    version: str
    source: str
    key: str
    attempt: int
    """From 1. A greater one than that of the Job that is there asks for a new Job."""
    bare: bool = False
    """The version has no manifest: its one file is to be compiled first."""


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """One version as status shows it."""

    version: str
    state: VersionState
    digest: str = ""
    reason: str = ""
    message: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about models, and what is to be said of them."""

    plan: ModelPlan | None
    """What every pod is to follow, sealed and numbered. None: nothing is known yet that could
    serve, and nothing is to answer in its place, so no pods are made; the ConfigMap holds the
    record alone then."""
    record: Record
    verify: WantedVerification | None = None
    isolate: Sequence[str] = ()
    """Pods that are to lose the label `fraudops.io/serving`."""
    restore: Sequence[str] = ()
    """Pods that get it back."""
    ledger: Sequence[Entry] = ()
    """Entries that the store's ledger does not have, or has an older turn of: each is to be written
    to `layout.quarantine_entry(digest, version)` as JSON. None is ever removed there: a release is
    an entry too, so that others who share the store hear of it."""
    wanted_blobs: Sequence[str] = ()
    """Digests of active bytes that are damaged or missing in the store: to be restored."""
    events: Sequence[Event] = ()
    """Of the transitions from the record before: to be recorded once that is written."""
    requeue_after: float | None = None
    history: Revision | None = None
    """What became active and is not in the history yet."""
    kept_history: Set[str] = frozenset()
    """Names of the ControllerRevisions that stay."""

    wanted: PlannedModel | None = None
    """The revision that spec and store want, whatever holds it up."""
    waiting: str = ""
    """Why the candidate does not get on, where somebody could do something about it."""
    unfit: str = ""
    """Which pods cannot hold what the others hold, and what they say."""
    versions: Sequence[SeenVersion] = ()
    """Every version of the store, newest first."""
    passed_over: Sequence[SeenVersion] = ()
    """Those that would be wanted before `wanted` if they could be had."""
    quarantine: Sequence[Entry] = ()
    """What is refused: the union of record and ledger, the latest first."""
    revisions: Sequence[Revision] = ()
    """What was active, the newest first, with `history`."""
    confirmed: int = 0
    """Pods that follow the plan that is written."""
    pods: int = 0
    asks: str = ""
    """What a person is asked to do about the active revision."""
