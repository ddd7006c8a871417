"""The values that go into a plan and come out of it.

`Inputs` is everything a plan may know, gathered beforehand by `observe`; `Plan` is everything it
decides, carried out afterwards by `apply`. Nothing else passes between the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from fraud_operator.api.frauddetector import FraudDetector
from fraud_scorer.artifact.manifest import Manifest

Manifested = dict[str, Any]
"""One Kubernetes object as plain JSON data."""

ChildKey = tuple[str, str]
"""Kind and name of a child in the detector's namespace."""


@dataclass(frozen=True, slots=True)
class OperatorDefaults:
    """What the operator's own configuration contributes to every detector."""

    scorer_image: str
    image_pull_policy: str = "IfNotPresent"


@dataclass(frozen=True, slots=True)
class StoreVersion:
    """One published model version as the store lists it."""

    version: str
    manifest: Manifest | None
    manifest_sha256: str = ""
    problem: str = ""
    """Why `manifest` is None: what is wrong with it and what to do."""


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


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pod's explicit verdict on an artifact (its termination message)."""

    version: str
    digest: str
    reason: str
    file: str
    expected: str
    actual: str
    message: str
    pod: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What is in the cluster now: children by (kind, name), and what their pods say."""

    children: Mapping[ChildKey, Manifested] = field(default_factory=dict)
    pods: Sequence[Manifested] = ()
    refusals: Sequence[Refusal] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    """By JSON path of the spec: references that do not resolve (a Secret that is not there), each
    with a message that says what to do. `references.references` says what to look for."""


@dataclass(frozen=True, slots=True)
class Desired:
    """One child to be applied. Lower phases first; components fail on their own."""

    manifest: Manifested
    component: str
    phase: int
    hold_replicas: int | None = None
    """Where the manifest leaves `spec.replicas` to an HPA: the number to start with, held by a
    field manager of its own until the HPA owns the field (a field nobody owns falls back to 1)."""


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
    status_first: bool = False
    """The status holds a decision (a quarantine) which must be in the API server before any object
    is applied: where writing it fails, nothing is applied."""

    @property
    def lasting(self) -> Set[ChildKey]:
        """The children that are to stay: every other one that is ours is to be pruned."""
        return self.keep | {
            (one.manifest["kind"], one.manifest["metadata"]["name"]) for one in self.objects
        }
