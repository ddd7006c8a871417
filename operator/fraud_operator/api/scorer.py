"""`spec.scorer`: the pods that score, as far as a user may want them otherwise."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints
from pydantic.config import JsonDict

from fraud_operator.api.autoscaling import MOST_REPLICAS
from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.names import (
    IMAGE,
    LabelValue,
    ObjectName,
    QualifiedName,
    SecretKey,
    VariableName,
)
from fraud_operator.api.quantities import PercentOrCount
from fraud_operator.api.resources import Amounts, within_limits

_LIST_BY_NAME: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
_ATOMIC: JsonDict = {"x-kubernetes-list-type": "atomic"}


class Resources(Fields):
    """CPU and memory of one scorer pod."""

    requests: Amounts = Field(
        Amounts(),
        description=(
            "What a pod is guaranteed. Not set: from the capacity table; memory: the limit, where"
            " that is set."
        ),
    )
    limits: Amounts = Field(
        Amounts(),
        description=(
            "What a pod cannot exceed. CPU not set: no limit, because a limit stalls requests"
            " for tens of milliseconds. Memory not set: the same as the request."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = within_limits("spec.scorer.resources")


class TopologySpread(Fields):
    """How evenly the scorer pods spread over nodes that share a label's value."""

    topology_key: QualifiedName = Field(
        description="Label of nodes, such as topology.kubernetes.io/zone."
    )
    max_skew: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="By how many pods two groups of nodes may differ. Not set: 1."
    )
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] | None = Field(
        None, description="What to do with a pod that fits nowhere. Not set: ScheduleAnyway."
    )


class Toleration(Fields):
    """A taint of nodes that the scorer pods bear."""

    key: QualifiedName | None = Field(
        None, description="The taint's key. Not set, with the operator Exists: every taint."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        None, description="How key and value are compared. Not set: Equal."
    )
    value: LabelValue | None = Field(None, description="The taint's value, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect. Not set: all of them."
    )
    toleration_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = Field(
        None, description="For how long NoExecute is borne. Not set: forever."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            message="spec.scorer.tolerations: without a key the operator must be Exists",
            holds=lambda one: one.key is not None or one.operator == "Exists",
        ),
        Rule(
            cel="!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
            message="spec.scorer.tolerations: with the operator Exists there is no value",
            holds=lambda one: one.value is None or one.operator in (None, "Equal"),
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            message="spec.scorer.tolerations: tolerationSeconds goes only with effect NoExecute",
            holds=lambda one: one.toleration_seconds is None or one.effect == "NoExecute",
        ),
    )


class NamedSecret(Fields):
    """A Secret in this namespace."""

    name: ObjectName = Field(description="Name of a Secret in this namespace.")


class SecretKeyRef(Fields):
    """One key of a Secret in this namespace."""

    name: ObjectName = Field(description="Name of a Secret in this namespace.")
    key: SecretKey = Field(description="Key in that Secret.")


class EnvSource(Fields):
    """Where the value of an environment variable comes from."""

    secret_key_ref: SecretKeyRef = Field(description="A key of a Secret in this namespace.")


class EnvVar(Fields):
    """An environment variable of the scorer's container."""

    name: VariableName = Field(description="Name of the variable.")
    value: Annotated[str, StringConstraints(max_length=4096)] | None = Field(
        None, description="The value itself."
    )
    value_from: EnvSource | None = Field(None, description="Where the value comes from.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.value) != has(self.valueFrom)",
            message="spec.scorer.extraEnv: set exactly one of value and valueFrom",
            holds=lambda one: (one.value is None) != (one.value_from is None),
        ),
        Rule(
            cel="!self.name.startsWith('FRAUDOPS_')",
            message="spec.scorer.extraEnv: names that begin with FRAUDOPS_ are the operator's",
            holds=lambda one: not one.name.startswith("FRAUDOPS_"),
        ),
    )


class Scorer(Fields):
    """The pods that score."""

    replicas: Annotated[int, Field(ge=0, le=MOST_REPLICAS)] | None = Field(
        None,
        description=(
            "Number of scorer pods; `kubectl scale` sets it. Not beside spec.autoscaling."
            " Not set: from the capacity table. 0 stops answering."
        ),
    )
    image: Annotated[str, StringConstraints(pattern=IMAGE, max_length=512)] | None = Field(
        None,
        description=(
            "Image of the scorer. Not set: the operator's default, pinned when the detector is"
            " first seen; an upgrade of the operator does not change it, the condition"
            " UpgradeAvailable says when there is a newer one."
        ),
    )
    resources: Resources = Field(
        Resources(),
        description=(
            "CPU and memory of one scorer pod. What is not set comes from the capacity table."
        ),
    )
    max_unavailable: PercentOrCount | None = Field(
        None,
        description=(
            "Number or percentage of scorer pods that node drains may take away at once"
            " (PodDisruptionBudget). Not set: 10%, which is one pod of up to ten."
        ),
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=5, le=600)] | None = Field(
        None,
        description=(
            "Seconds that a pod has to finish its requests before it is killed. Not set: 30."
        ),
    )
    service_account_annotations: (
        Annotated[
            dict[QualifiedName, Annotated[str, StringConstraints(max_length=1024)]],
            Field(max_length=16),
        ]
        | None
    ) = Field(
        None,
        description=(
            "Annotations of the pods' ServiceAccount: the identity in the cloud that reads the"
            " model store, such as eks.amazonaws.com/role-arn."
        ),
    )
    topology_spread: Annotated[list[TopologySpread], Field(max_length=8)] | None = Field(
        None,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["topologyKey"],
        },
        description=(
            "How pods spread over nodes. Not set: evenly over zones and over nodes where possible."
            " An empty list: no spreading."
        ),
    )
    node_selector: Annotated[dict[QualifiedName, LabelValue], Field(max_length=16)] | None = Field(
        None, description="Labels that a node must have for scorer pods to run there."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=16)] | None = Field(
        None, json_schema_extra=_ATOMIC, description="Taints of nodes that the scorer pods bear."
    )
    priority_class_name: ObjectName | None = Field(
        None, description="PriorityClass of the scorer pods."
    )
    image_pull_secrets: Annotated[list[NamedSecret], Field(max_length=8)] | None = Field(
        None,
        json_schema_extra=_LIST_BY_NAME,
        description="Secrets in this namespace with which the scorer's image is pulled.",
    )
    extra_env: Annotated[list[EnvVar], Field(max_length=32)] | None = Field(
        None,
        json_schema_extra=_LIST_BY_NAME,
        description=(
            "Further environment variables of the scorer's container: a value, or a key of a"
            " Secret. A changed Secret takes effect in pods that start afterwards."
        ),
    )
