"""`status` of a FraudDetector: the schema of what the operator writes.

`plan` builds a status as plain JSON; these models give the CRD its schema and hold that JSON to it
in tests. Nothing in a status moves while nothing happens: the only times are those of a transition.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from fraud_operator.api.autoscaling import Percent, Replicas
from fraud_operator.api.fields import Fields
from fraud_operator.api.release import Strategy
from fraud_operator.api.scoring import Reasons, WhenUnavailable
from fraud_operator.api.store_status import (
    EffectiveApprovals,
    EffectiveAudit,
    EffectiveConnections,
    EffectiveFeatures,
    EffectivePostgres,
    EffectiveRedis,
    Number,
    StoresStatus,
    Text,
)

MOST_LISTED = 20
"""Versions and quarantined digests in a status: the newest ones."""

Message = Annotated[str, StringConstraints(max_length=32_768)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
TrialState = Literal["Holding", "Guarded", "Canary", "Shadow", "Inconclusive"]
VersionState = Literal[
    "Discovered",
    "Verifying",
    "Proven",
    "Holding",
    "Guarded",
    "Canary",
    "Shadow",
    "Active",
    "Quarantined",
    "Inconclusive",
    "Damaged",
]


class Condition(Fields):
    """One aspect of the detector's state."""

    type: Annotated[str, StringConstraints(max_length=316)] = Field(
        description="What the condition is about."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: Number = Field(
        description="The generation of the spec that the condition was computed from."
    )
    last_transition_time: Time = Field(description="When the condition's status last changed.")
    reason: Annotated[str, StringConstraints(max_length=1024, min_length=1)] = Field(
        description="Why, as one CamelCase word."
    )
    message: Message = Field(description="Why, and what to do next.")


class EffectiveThresholds(Fields):
    """The scores that decide."""

    review: Text = Field(description="From this score on a transaction is reviewed.")
    decline: Text = Field(description="From this score on a transaction is declined.")


class EffectiveVerification(Fields):
    """`spec.model.verification` with its defaults."""

    golden_tolerance: Text = Field(
        description="By how much the score of a golden transaction may differ."
    )
    max_score_milliseconds: Number = Field(description="How long a transaction may take to score.")
    timeout: Text = Field(description="How long a verification may take.")
    memory: Text = Field(description="Memory that a verification may take.")
    signed: bool = Field(description="Whether a version must be signed.")
    allow_input_changes: bool = Field(
        description="Whether a version may take other inputs than the one that serves."
    )


class EffectiveTolerances(Fields):
    """`spec.model.rollout.tolerances` with its defaults."""

    errors: Text = Field(description="More transactions that could not be scored.")
    invalid: Text = Field(description="More scores that are no probability.")
    decisions: Text = Field(description="Difference of the shares of declined and reviewed ones.")
    scores: Text = Field(description="Distance between both distributions of scores.")
    latency: Text = Field(description="Factor between both 99th percentiles of the time to score.")


class EffectiveRollout(Fields):
    """`spec.model.rollout` with its defaults."""

    strategy: Strategy = Field(description="How a proven version takes over.")
    steps: Annotated[list[Number], Field(max_length=10)] | None = Field(
        None, description="Percent of all transactions at each step of a canary."
    )
    step_duration: Text | None = Field(
        None, description="How long a step, or the shadow, lasts at the least."
    )
    min_requests: Number | None = Field(
        None, description="Transactions that a step, or the shadow, compares at the least."
    )
    tolerances: EffectiveTolerances | None = Field(
        None, description="By how much a candidate may differ."
    )
    max_decline_shift: Text = Field(
        description="By how much a change of thresholds may move the share of declined ones."
    )


class EffectiveRollback(Fields):
    """`spec.model.rollback` with its defaults."""

    automatic: bool = Field(description="Whether the operator goes back by itself.")
    history_limit: Number = Field(description="Revisions that are kept to go back to.")


class EffectiveModel(Fields):
    """`spec.model` with its defaults."""

    version: Text | None = Field(
        None, description="The pinned version; not there: the newest one is followed."
    )
    sync_interval: Text = Field(description="How often the store is asked for new versions.")
    verification: EffectiveVerification = Field(
        description="spec.model.verification with its defaults."
    )
    rollout: EffectiveRollout = Field(description="spec.model.rollout with its defaults.")
    rollback: EffectiveRollback = Field(description="spec.model.rollback with its defaults.")


class EffectiveScoring(Fields):
    """`spec.scoring` with its defaults."""

    thresholds: EffectiveThresholds = Field(description="The scores that decide.")
    reasons: Reasons = Field(description="Most reasons of an answer that is not an approval.")
    when_unavailable: WhenUnavailable | None = Field(
        None, description="The answer while no model can give one; not there: 503."
    )
    lists: bool | None = Field(None, description="Whether lists of entities are heeded.")
    random_approvals: EffectiveApprovals | None = Field(
        None, description="Which would-be declines are approved; not there: none."
    )


class EffectiveCapacity(Fields):
    """`spec.capacity` with its defaults."""

    transactions_per_day: Number = Field(description="What the detector is sized for.")
    tps_budget: Number = Field(
        description="Transactions a second that the row of the capacity table allows for."
    )


class EffectiveAmounts(Fields):
    """An amount of CPU and of memory."""

    cpu: Text | None = Field(None, description="Cores; not there: no limit.")
    memory: Text | None = Field(None, description="Memory.")


class EffectiveResources(Fields):
    """CPU and memory of one scorer pod."""

    requests: EffectiveAmounts = Field(description="What a pod is guaranteed.")
    limits: EffectiveAmounts = Field(description="What a pod cannot exceed.")


class EffectiveScorer(Fields):
    """`spec.scorer` with its defaults."""

    replicas: Number | None = Field(
        None, description="Number of scorer pods; not there while an autoscaler decides."
    )
    image: Text = Field(description="Image of the scorer.")
    resources: EffectiveResources = Field(description="CPU and memory of one scorer pod.")
    processes: Number = Field(
        description="Processes that answer in one scorer pod: one a core of its CPU request."
    )
    max_unavailable: Text = Field(
        description="Number or percentage of scorer pods that node drains may take at once."
    )
    termination_grace_period_seconds: Number = Field(
        description="Seconds that a pod has to finish its requests before it is killed."
    )


class EffectiveAutoscaling(Fields):
    """`spec.autoscaling` with its defaults."""

    min_replicas: Replicas = Field(description="Fewest scorer pods.")
    max_replicas: Replicas = Field(description="Most scorer pods.")
    cpu_utilization: Percent = Field(description="Percent of the CPU request to scale for.")
    memory_utilization: Percent = Field(description="Percent of the memory request to scale for.")
    scale_down_stabilization_seconds: int = Field(
        description="For how long fewer pods must have been enough before one is taken away."
    )


class Effective(Fields):
    """The spec as it is carried out: every default and derived size."""

    model: EffectiveModel = Field(description="spec.model with its defaults.")
    scoring: EffectiveScoring = Field(description="spec.scoring with its defaults.")
    capacity: EffectiveCapacity = Field(description="spec.capacity with its defaults.")
    scorer: EffectiveScorer = Field(description="spec.scorer with its defaults.")
    autoscaling: EffectiveAutoscaling | None = Field(
        None, description="spec.autoscaling with its defaults."
    )
    redis: EffectiveRedis | None = Field(None, description="spec.redis.managed with its defaults.")
    postgres: EffectivePostgres | None = Field(
        None, description="spec.postgres.managed with its defaults."
    )
    features: EffectiveFeatures | None = Field(None, description="spec.features with its defaults.")
    audit: EffectiveAudit | None = Field(None, description="spec.audit with its defaults.")
    connections: EffectiveConnections | None = Field(
        None, description="The budget of connections to Postgres."
    )


class KnownVersion(Fields):
    """A revision: a model version with its thresholds."""

    version: Text = Field(description="The version's name in the store.")
    digest: Text = Field(description="Digest of the model's bytes.")
    revision: Text = Field(
        description="Names version, thresholds and number of reasons: all that an answer depends on"
        " besides the transaction."
    )


class CandidateStatus(Fields):
    """The revision that is to become active."""

    version: Text = Field(description="The version's name in the store.")
    digest: Text = Field(description="Digest of the model's bytes.")
    revision: Text = Field(description="Names version, thresholds and number of reasons.")
    state: TrialState = Field(
        description=(
            "Holding: pods are getting and proving it. Canary, Shadow: it is compared with the"
            " active revision. Guarded, Inconclusive: it waits for kubectl fraud promote or abort."
        )
    )
    step: Number | None = Field(None, description="Step of the canary, from 1.")
    steps: Number | None = Field(None, description="How many steps the canary has.")
    share: Number | None = Field(
        None, description="Percent of all transactions that it answers; not there: none."
    )
    since: Time = Field(description="When this state, or step, began.")
    message: Message | None = Field(None, description="Why it does not get on.")


class VersionStatus(Fields):
    """One published version."""

    version: Text = Field(description="The version's name in the store.")
    state: VersionState = Field(
        description=(
            "Discovered: not verified, as a newer one is wanted. Inconclusive: verification, or the"
            " comparison, came to no end. Damaged: its manifest cannot be read."
        )
    )
    digest: Text | None = Field(None, description="Digest of the model's bytes, where known.")
    reason: Text | None = Field(None, description="Why, as one CamelCase word.")
    message: Message | None = Field(None, description="Why, and what to do next.")
    report: Text | None = Field(None, description="Where the report of its verification lies.")


class Quarantined(Fields):
    """A version that was refused and is never tried again until a person releases it."""

    digest: Text = Field(description="Digest of the model's bytes, as its manifest states it.")
    version: Text = Field(description="The version under which they were refused.")
    reason: Text = Field(description="Why, as one CamelCase word.")
    message: Message = Field(description="Which file, what was expected, what came.")
    since: Time = Field(description="When they were refused.")
    scope: Literal["Bytes", "Publication"] = Field(
        description=(
            "Bytes: these bytes are refused under whatever name. Publication: only what was"
            " published under that name then, as its bytes are not those that its manifest states."
        )
    )


class HistoryEntry(Fields):
    """A revision that became active."""

    serial: Number = Field(
        description="The model plan that made it active; the ControllerRevision NAME-SERIAL."
    )
    version: Text = Field(description="The version's name in the store.")
    digest: Text = Field(description="Digest of the model's bytes.")
    revision: Text = Field(description="Names version, thresholds and number of reasons.")
    since: Time = Field(description="When it became active.")
    why: Literal["FirstVersion", "Promoted", "RolledBack", "Restored"] = Field(
        description="Restored: the model plan was lost, and made again from the history."
    )


class HeldBack(Fields):
    """What is not served although it is wanted, because somebody went back from it."""

    against: Text = Field(description="The version that is wanted.")
    revision: Text = Field(description="Its revision.")
    by: Text = Field(description="Who went back.")
    reason: Message | None = Field(None, description="Why.")
    since: Time = Field(description="When.")


class RequestStatus(Fields):
    """What became of the last request of a person."""

    id: Text = Field(description="The request's id, from the annotation fraudops.io/request.")
    action: Text = Field(description="rollback, promote, abort, release or sync.")
    outcome: Literal["Done", "Refused"] = Field(description="Whether it was done.")
    message: Message = Field(description="What was done, or why not and what can be.")


class PodsStatus(Fields):
    """Which pods follow the model plan."""

    serial: Number = Field(description="The plan that all pods are to follow.")
    confirmed: Number = Field(description="Pods that said that they follow it.")
    total: Number = Field(description="Pods that there are.")
    isolated: Annotated[list[Text], Field(max_length=MOST_LISTED)] | None = Field(
        None,
        description="Pods that get no transactions until they confirm that they withdrew a model.",
    )


class ModelStatus(Fields):
    """Which model versions are known, served, and refused."""

    active_version: Text | None = Field(None, description="The version that answers.")
    active_digest: Text | None = Field(None, description="Digest of that version's bytes.")
    active_revision: Text | None = Field(
        None, description="Names that version, its thresholds and number of reasons."
    )
    active_since: Time | None = Field(None, description="When it became active.")
    candidate_version: Text | None = Field(
        None, description="The version that is being rolled out."
    )
    candidate_digest: Text | None = Field(None, description="Digest of that version's bytes.")
    candidate: CandidateStatus | None = Field(
        None, description="The revision that is to become active."
    )
    last_known_good: KnownVersion | None = Field(
        None, description="The revision to go back to, should the active one be refused."
    )
    held_back: HeldBack | None = Field(
        None, description="What is wanted and not served, because somebody went back from it."
    )
    available: Annotated[list[Text], Field(max_length=MOST_LISTED)] | None = Field(
        None, description="Versions in the store, newest first."
    )
    versions: Annotated[list[VersionStatus], Field(max_length=MOST_LISTED)] | None = Field(
        None,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["version"],
        },
        description="How far each version in the store is, newest first.",
    )
    quarantined: Annotated[list[Quarantined], Field(max_length=MOST_LISTED)] | None = Field(
        None,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["digest", "version"],
        },
        description="What was refused, the latest first.",
    )
    history: Annotated[list[HistoryEntry], Field(max_length=MOST_LISTED)] | None = Field(
        None,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["serial"],
        },
        description="What became active, the latest first.",
    )
    request: RequestStatus | None = Field(
        None, description="What became of the last request of a person."
    )
    pods: PodsStatus | None = Field(None, description="Which pods follow the model plan.")


class ModelBackupStatus(Fields):
    """What the backups of the models said."""

    last_success: Time | None = Field(
        None, description="When a backup last had everything, and had read all of it."
    )
    versions: Number | None = Field(None, description="Versions in the backup then.")
    bytes: Number | None = Field(None, description="Of their models.")
    verified: Number | None = Field(None, description="Files that were read back.")
    last_healed: Time | None = Field(
        None, description="When all that pods fetch was last found whole, or made whole."
    )
    last_restored: Time | None = Field(
        None, description="When something was last damaged or missing, and restored."
    )
    restored: Annotated[list[Text], Field(max_length=MOST_LISTED)] | None = Field(
        None, description="Digests of what was restored then."
    )


class ScorerStatus(Fields):
    """The scorer pods as they are."""

    replicas: Number = Field(description="Scorer pods that the Deployment is to have.")
    ready_replicas: Number = Field(description="Scorer pods that answer.")
    selector: Text = Field(description="Label selector of the scorer pods.")
    endpoint: Text = Field(description="Where transactions are scored, inside the cluster.")
    pinned_image: Text | None = Field(
        None, description="The operator's default image when the detector was first seen."
    )


class FraudDetectorStatus(Fields):
    """What the operator made of the spec."""

    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] = Field(
        description="The generation of the spec that the status was computed from; -1: none yet."
    )
    conditions: Annotated[list[Condition], Field(max_length=32)] | None = Field(
        None,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
        description=(
            "Ready: transactions are scored as the spec says. Reconciling, Stalled: not there yet;"
            " stuck until somebody acts. The others tell about single parts."
        ),
    )
    effective: Effective | None = Field(
        None, description="The spec as it is carried out: every default and derived size."
    )
    model: ModelStatus | None = Field(
        None, description="Which model versions are known, served, and refused."
    )
    model_backup: ModelBackupStatus | None = Field(
        None, description="What the backups of the models said."
    )
    scorer: ScorerStatus | None = Field(None, description="The scorer pods as they are.")
    stores: StoresStatus | None = Field(None, description="The stores as they are.")
