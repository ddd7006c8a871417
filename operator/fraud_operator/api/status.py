"""`status` of a FraudDetector: the schema of what the operator writes.

`plan` builds a status as plain JSON; these models give the CRD its schema and hold that JSON to it
in tests. Nothing in a status moves while nothing happens: the only times are those of a transition.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from fraud_operator.api.autoscaling import Percent, Replicas
from fraud_operator.api.fields import Fields
from fraud_operator.api.scoring import Reasons

MOST_LISTED = 20
"""Versions and quarantined digests in a status: the newest ones."""

Text = Annotated[str, StringConstraints(max_length=1024)]
Message = Annotated[str, StringConstraints(max_length=32_768)]
Number = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


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


class EffectiveModel(Fields):
    """`spec.model` with its defaults."""

    version: Text | None = Field(
        None, description="The pinned version; not there: the newest one is followed."
    )
    sync_interval: Text = Field(description="How often the store is asked for new versions.")


class EffectiveScoring(Fields):
    """`spec.scoring` with its defaults."""

    thresholds: EffectiveThresholds = Field(description="The scores that decide.")
    reasons: Reasons = Field(description="Most reasons of an answer that is not an approval.")


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


class KnownVersion(Fields):
    """A model version with what identifies it."""

    version: Text = Field(description="The version's name in the store.")
    digest: Text = Field(description="Digest of the model's bytes.")
    revision: Text = Field(
        description="The plan, in the ConfigMap NAME-model-plan, that serves it."
    )


class Quarantined(Fields):
    """A version that was refused and is never tried again; its bytes neither, under whatever name,
    unless it was refused because they are not those that its manifest states."""

    digest: Text = Field(description="Digest of the model's bytes, as its manifest states it.")
    version: Text = Field(description="The version under which they were refused.")
    reason: Text = Field(description="Why, as one CamelCase word.")
    message: Message = Field(description="Which file, what was expected, what came.")
    since: Time = Field(description="When they were refused.")


class ModelStatus(Fields):
    """Which model versions are known, served, and refused."""

    active_version: Text | None = Field(None, description="The version that every pod serves.")
    active_digest: Text | None = Field(None, description="Digest of that version's bytes.")
    active_revision: Text | None = Field(None, description="The plan that serves it.")
    candidate_version: Text | None = Field(
        None, description="The version that is being rolled out."
    )
    candidate_digest: Text | None = Field(None, description="Digest of that version's bytes.")
    last_known_good: KnownVersion | None = Field(
        None, description="The version to go back to, should the active one be refused."
    )
    available: Annotated[list[Text], Field(max_length=MOST_LISTED)] | None = Field(
        None, description="Versions in the store, newest first."
    )
    quarantined: Annotated[list[Quarantined], Field(max_length=MOST_LISTED)] | None = Field(
        None,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["digest", "version"],
        },
        description="What was refused, the latest first.",
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
    scorer: ScorerStatus | None = Field(None, description="The scorer pods as they are.")
