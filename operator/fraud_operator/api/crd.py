"""The CustomResourceDefinition of each kind, made from its models.

`status` defaults to `{observedGeneration: -1}`: tools that follow kstatus (kubectl wait, Argo CD,
Flux, Helm) take an object without a status for a finished one. Nothing is defaulted into `spec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fraud_operator.api import frauddetector
from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.schema import structural
from fraud_operator.api.status import FraudDetectorStatus


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; priority 1 shows with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Paths of the scale subresource."""

    spec_replicas: str
    status_replicas: str
    selector: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of ours: what its CRD says beside the schemas."""

    kind: str
    plural: str
    short_names: Sequence[str]
    description: str
    spec: type[Fields]
    status: type[Fields]
    columns: Sequence[Column]
    scale: Scale | None = None
    rules: Sequence[Rule] = field(default_factory=tuple)
    """On the whole object, where CEL sees `self.metadata.name`."""


def condition(type_: str, key: str = "status") -> str:
    """The JSONPath of a condition's field, for a column."""
    return f'.status.conditions[?(@.type=="{type_}")].{key}'


FRAUD_DETECTOR = Resource(
    kind=frauddetector.KIND,
    plural=frauddetector.PLURAL,
    short_names=("fd",),
    description=(
        "FraudDetector scores transactions for fraud with the newest model of a model store: the"
        " operator makes everything that this needs in production."
    ),
    spec=frauddetector.FraudDetectorSpec,
    status=FraudDetectorStatus,
    columns=(
        Column("Ready", condition("Ready"), "Whether transactions are scored as the spec says."),
        Column("Model", ".status.model.activeVersion", "The model version that every pod serves."),
        Column("Replicas", ".status.scorer.readyReplicas", "Scorer pods that answer.", "integer"),
        Column(
            "TPS budget",
            ".status.effective.capacity.tpsBudget",
            "Transactions a second that the detector is sized for.",
            "integer",
        ),
        Column("Age", ".metadata.creationTimestamp", "Time since creation.", "date"),
        Column(
            "Candidate",
            ".status.model.candidateVersion",
            "The model version that is being rolled out.",
            priority=1,
        ),
        Column(
            "Verified",
            condition("ModelVerified"),
            "Whether the wanted version is good.",
            priority=1,
        ),
        Column(
            "Desired",
            ".status.effective.scorer.replicas",
            "Wanted scorer pods, where their number is fixed.",
            "integer",
            priority=1,
        ),
        Column("Reason", condition("Ready", "reason"), "Why it is ready or not.", priority=1),
        Column("Message", condition("Ready", "message"), "What to do next.", priority=1),
    ),
    scale=Scale(
        spec_replicas=".spec.scorer.replicas",
        status_replicas=".status.scorer.replicas",
        selector=".status.scorer.selector",
    ),
    # CEL sees the whole object here, the check only the name: `FraudDetector.parse` calls it.
    rules=(
        Rule(
            cel=(
                f"size(self.metadata.name) <= {frauddetector.LONGEST_NAME}"
                f" && self.metadata.name.matches('{frauddetector.NAME_PATTERN}')"
            ),
            message=frauddetector.NAME_MESSAGE,
            holds=lambda name: frauddetector.name_is_valid(name),
        ),
    ),
)

RESOURCES = (FRAUD_DETECTOR,)


def crd(resource: Resource) -> dict[str, Any]:
    """The CustomResourceDefinition as plain JSON."""
    names = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": resource.kind.lower(),
        "shortNames": list(resource.short_names),
        "categories": ["fraudops"],
    }
    version = {
        "name": frauddetector.VERSION,
        "served": True,
        "storage": True,
        "subresources": _subresources(resource),
        "additionalPrinterColumns": [_column(column) for column in resource.columns],
        "schema": {"openAPIV3Schema": _object_schema(resource)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{frauddetector.GROUP}",
            "labels": {"app.kubernetes.io/part-of": "fraudops"},
        },
        "spec": {
            "group": frauddetector.GROUP,
            "names": names,
            "scope": "Namespaced",
            "versions": [version],
        },
    }


_SPEC = "What is wanted. The operator never writes it."
_STATUS = "What the operator made of the spec."


def _object_schema(resource: Resource) -> dict[str, Any]:
    spec = {"description": _SPEC, **structural(resource.spec, "spec")}
    status = {
        "description": _STATUS,
        "default": {"observedGeneration": -1},
        **structural(resource.status, "status"),
    }
    schema: dict[str, Any] = {
        "description": resource.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The version of this API."},
            "kind": {"type": "string", "description": f"{resource.kind}."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    if resource.rules:
        schema["x-kubernetes-validations"] = [
            {"rule": rule.cel, "message": rule.message} for rule in resource.rules
        ]
    return schema


def _subresources(resource: Resource) -> dict[str, Any]:
    subresources: dict[str, Any] = {"status": {}}
    if resource.scale is not None:
        subresources["scale"] = {
            "specReplicasPath": resource.scale.spec_replicas,
            "statusReplicasPath": resource.scale.status_replicas,
            "labelSelectorPath": resource.scale.selector,
        }
    return subresources


def _column(column: Column) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    if column.priority:
        shown["priority"] = column.priority
    return shown
