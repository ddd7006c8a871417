"""The values that go into a plan and come out of it.

`Inputs` is everything a plan may know, gathered beforehand by `observe`; `Plan` is everything it
decides, carried out afterwards by `apply`. Nothing else passes between the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.generated import Value
from fraud_scorer.artifact.backup import BackupReport
from fraud_scorer.artifact.digest import canonical_json, sha256_hex
from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.artifact.report import Report
from fraud_scorer.artifact.verdict import Verdict

if TYPE_CHECKING:
    from fraud_operator.plan.release.decision import Decision
    from fraud_operator.plan.release.record import Entry
    from fraud_operator.plan.stores.postgres import Growth

Manifested = dict[str, Any]
"""One Kubernetes object as plain JSON data."""

ChildKey = tuple[str, str]
"""Kind and name of a child in the detector's namespace."""


@dataclass(frozen=True, slots=True)
class OperatorDefaults:
    """What the operator's own configuration contributes to every detector."""

    scorer_image: str
    image_pull_policy: str = "IfNotPresent"
    redis_image: str = "redis"
    postgres_image: str = "postgres"
    """Without a tag: that is the version."""


@dataclass(frozen=True, slots=True)
class BareFile:
    """The one model file of a version without a manifest, once two looks in a row found it the
    same."""

    path: str
    """Relative to the store's prefix."""
    size: int
    etag: str
    modified: str
    """When it was written (RFC 3339): what such a version is ordered by."""


@dataclass(frozen=True, slots=True)
class StoreVersion:
    """One published model version as the store lists it.

    It has a manifest, or is a bare file, or has a problem; one that is still being uploaded is not
    listed at all.
    """

    version: str
    manifest: Manifest | None
    manifest_sha256: str = ""
    problem: str = ""
    """What is wrong with its manifest and what to do."""
    bare: BareFile | None = None

    @property
    def source(self) -> str:
        """What stands for its content, and changes when it is overwritten: the sha256 of the
        manifest, or a digest of what the store says of a bare file. Empty where there is neither.
        """
        if self.bare is not None:
            return sha256_hex(canonical_json([self.bare.path, self.bare.size, self.bare.etag]))
        return self.manifest_sha256

    @property
    def published(self) -> str:
        """When it was published (RFC 3339), as far as is known."""
        if self.manifest is not None:
            return self.manifest.created_at.isoformat()
        return self.bare.modified if self.bare is not None else ""


@dataclass(frozen=True, slots=True)
class StoreView:
    """The last look at the model store; `versions` is newest first."""

    versions: Sequence[StoreVersion] = ()
    reason: str = ""
    """Empty when the look succeeded, else the condition's reason (StoreUnreachable, AccessDenied,
    BucketMissing, CredentialsMissing, ...)."""
    message: str = ""
    listed: bool = False
    """False until the store has been looked at once since the operator started."""
    ledger: Sequence[Entry] = ()
    """What lies under `.quarantine/` in the store of artifacts, as it was read last."""
    ledger_problem: str = ""
    """Why an entry could not be written there; empty where all were."""


@dataclass(frozen=True, slots=True)
class PodState:
    """One scorer pod, as it was last heard of on its management port."""

    name: str
    uid: str
    ready: bool
    serving: bool
    """Whether it carries the label by which the Service finds it."""
    report: Report | None = None
    """The last one of this incarnation; None where it was never reached."""
    unreached_seconds: float = 0.0
    """For how long it has not answered; 0 where it did when it was asked last."""
    problem: str = ""
    """Why it was not reached."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of the Job that judges a version."""

    version: str
    source: str
    """What it judges: the sha256 of the manifest, or of a model file without one."""
    key: str
    """`fraud_scorer.artifact.verdict.proof_key` of it."""
    attempt: int
    state: Literal["Running", "Judged", "Inconclusive"]
    verdict: Verdict | None = None
    reason: str = ""
    """Of an inconclusive end: Evicted, ImagePull, OutOfMemory, DeadlineExceeded, StoreUnreachable,
    NoVerdict. Of one that runs: why it does not get on, where that is known."""
    message: str = ""
    ended: bool = False
    """Whether nothing of the Job runs any more: the cluster removes it when its time is over."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for with `kubectl fraud rollback|promote|abort|release|sync`."""

    id: str
    action: Literal["rollback", "promote", "abort", "release", "sync"]
    version: str = ""
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class BackupRun:
    """One run of a backup that has ended: with a report, or in trouble."""

    pod: str
    job: str
    """The CronJob: its name without the time of the run."""
    ended: str
    """RFC 3339."""
    report: BackupReport | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is in the cluster now: children by (kind, name), and what their pods say."""

    children: Mapping[ChildKey, Manifested] = field(default_factory=dict)
    pods: Sequence[Manifested] = ()
    """Those that score."""
    volumes: Sequence[Manifested] = ()
    """Pods that give out a volume of models."""
    scorers: Sequence[PodState] = ()
    verifications: Sequence[Verification] = ()
    backups: Sequence[BackupRun] = ()
    """Those that have ended, the latest first."""
    request: Request | None = None
    token: str = field(default="", repr=False)
    """What lets the operator in at its pods' management ports; empty: there is none yet."""
    redis: Sequence[Manifested] = ()
    postgres: Sequence[Manifested] = ()
    """Pods of the stores that the operator runs."""
    migrations: Sequence[Manifested] = ()
    """Pods that bring the schema up to date."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """By JSON path of the spec: references that do not resolve (a Secret that is not there), each
    with a message that says what to do. `references.references` says what to look for."""
    damaged_blobs: Set[str] = frozenset()
    """Digests (`sha256:...`) of proven bytes that the store has no more, or has damaged."""


@dataclass(frozen=True, slots=True)
class Desired:
    """One child to be applied. Lower phases first; components fail on their own."""

    manifest: Manifested
    component: str
    phase: int
    hold_replicas: int | None = None
    """Where the manifest leaves `spec.replicas` to an HPA: the number to start with, held by a
    field manager of its own until the HPA owns the field (a field nobody owns falls back to 1)."""
    exact: bool = False
    """It was decided from the very state that is there: written before anything else, and only onto
    that state (a resourceVersion is the precondition). A later one is a conflict, and all is
    decided anew."""
    recorded: bool = False
    """It follows from what an exact one records, and is left alone while that is not written; where
    there is none, nothing is to be recorded."""
    once: bool = False
    """Made once, and left as it is afterwards."""
    generated: Mapping[str, Value] = field(default_factory=dict)
    """Of a Secret: the values that its keys get when they are made, and keep afterwards."""
    kept: bool = False
    """It may be without an owner, to outlive the detector, and is taken back by its labels."""
    replace: bool = False
    """The one that is there differs where no update can change it: it is deleted without its pods,
    which the new one takes over."""

    @property
    def child(self) -> ChildKey:
        """Its kind and name."""
        return self.manifest["kind"], self.manifest["metadata"]["name"]


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What became of one desired object. A message, where there is one, says what to do next."""

    component: str
    kind: str
    name: str
    outcome: Literal["Unchanged", "Applied", "Conflict", "Contended", "Skipped", "Failed"]
    """Conflict: an object of that name belongs to somebody else and was left alone.
    Contended: another manager keeps changing fields of ours, so we wait.
    Skipped: an earlier phase of the same component did not succeed.
    Failed: the API server refused it, or could not be asked."""
    reason: str = ""
    """CamelCase, fit for a condition; empty where nothing is wrong."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything a plan may know.

    `results` is empty when objects are planned. Where applying them did not go well, plan again
    with the same inputs and the results of all of them: the objects stay the same, and the status
    says what went wrong. So a status is written once, after the applies, and is true then.
    """

    detector: FraudDetector
    observed: Observed
    store: StoreView
    defaults: OperatorDefaults
    now: datetime
    results: Sequence[ChildResult] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event to be recorded on the detector, once per transition."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    action: str = "Reconcile"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a plan decides."""

    objects: Sequence[Desired]
    status: dict[str, Any]
    """The whole desired status (`observedGeneration`, `conditions`, `effective`, `model`, ...)."""
    events: Sequence[Event] = ()
    requeue_after: float | None = None
    """Seconds until another look is due for a reason that no event will announce."""
    keep: Set[ChildKey] = frozenset()
    """Children that are neither applied nor pruned: all of them while the detector is suspended or
    its spec cannot be acted upon, some while a reference of theirs does not resolve."""
    release: Decision | None = None
    """What was decided about models; None where nothing is decided (suspended, invalid)."""
    growth: Growth | None = None
    """A volume's claim that is to be larger."""

    @property
    def lasting(self) -> Set[ChildKey]:
        """The children that are to stay: every other one that is ours is to be pruned."""
        return self.keep | {one.child for one in self.objects}
