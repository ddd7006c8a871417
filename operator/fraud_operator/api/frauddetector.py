"""FraudDetector: the one resource that a team writes.

`FraudDetector.parse` is the way from the API server's JSON to a resource that the operator can act
upon. It refuses, by field, whatever the CRD should have refused and whatever this version of the
operator does not know, because a field that is read past is a promise broken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field

from fraud_operator.api.audit import Audit
from fraud_operator.api.autoscaling import Autoscaling
from fraud_operator.api.capacity import Capacity
from fraud_operator.api.fields import FieldError, Fields, InvalidSpec, Rule, validated
from fraud_operator.api.model import Model
from fraud_operator.api.postgres import Postgres
from fraud_operator.api.redis import Features, Redis
from fraud_operator.api.scorer import Scorer
from fraud_operator.api.scoring import Scoring

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "PLURAL",
    "VERSION",
    "FieldError",
    "FraudDetector",
    "FraudDetectorSpec",
    "InvalidSpec",
]

GROUP = "fraudops.io"
VERSION = "v1beta1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "FraudDetector"
PLURAL = "frauddetectors"

LONGEST_NAME = 40
"""So that every child's name, which adds to it, is one that Kubernetes takes."""
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_MESSAGE = (
    f"metadata.name must have at most {LONGEST_NAME} characters: lower-case letters, digits"
    " and '-', beginning with a letter and ending with a letter or digit"
)


def name_is_valid(name: str) -> bool:
    """Whether a detector can have that name."""
    return len(name) <= LONGEST_NAME and re.fullmatch(NAME_PATTERN, name) is not None


class FraudDetectorSpec(Fields):
    """What the detector should be. The operator never writes it."""

    suspend: bool | None = Field(
        None,
        description=(
            "True stops the operator from changing anything of this detector; the condition"
            " Suspended says so. It stops neither the scorer pods, which go on answering, nor the"
            " autoscaler."
        ),
    )
    model: Model = Field(description="Which model is served, and where its versions come from.")
    scoring: Scoring = Field(Scoring(), description="What becomes of a score.")
    capacity: Capacity = Field(
        Capacity(), description="How much traffic the detector is sized for."
    )
    scorer: Scorer = Field(Scorer(), description="The pods that score.")
    autoscaling: Autoscaling | None = Field(
        None,
        description=(
            "A HorizontalPodAutoscaler for the scorer pods; {} takes all from the capacity table."
            " Not set: a fixed number of pods."
        ),
    )
    redis: Redis | None = Field(
        None,
        description=(
            "Where histories of entities are kept at hand, and transactions are claimed, so that"
            " the same one is answered once. Exactly one of managed and external. Not set: models"
            " see what a request says, and nothing of what came before."
        ),
    )
    postgres: Postgres | None = Field(
        None,
        description=(
            "Where transactions, predictions, labels and audit records are kept. Exactly one of"
            " managed and external. Not set: they are not kept."
        ),
    )
    features: Features = Field(
        Features(), description="How features that are kept of entities are looked after."
    )
    audit: Audit | None = Field(
        None,
        description=(
            "How answers are recorded. Not set: as {} where there is spec.postgres, else not at"
            " all."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.autoscaling) || !has(self.scorer) || !has(self.scorer.replicas)",
            message=(
                "spec.scorer.replicas cannot be set beside spec.autoscaling:"
                " set spec.autoscaling.minReplicas instead (and remove spec.scorer.replicas)"
            ),
            holds=lambda spec: spec.autoscaling is None or spec.scorer.replicas is None,
        ),
        Rule(
            cel="!has(self.features) || !has(self.features.cacheTTL) || has(self.redis)",
            message="spec.features.cacheTTL needs spec.redis",
            holds=lambda spec: spec.features.cache_ttl is None or spec.redis is not None,
        ),
        Rule(
            cel="!has(self.audit) || has(self.postgres)",
            message="spec.audit needs spec.postgres, where answers are recorded",
            holds=lambda spec: spec.audit is None or spec.postgres is not None,
        ),
        Rule(
            cel=("!has(self.scoring) || !has(self.scoring.randomApprovals) || has(self.postgres)"),
            message=(
                "spec.scoring.randomApprovals needs spec.postgres, where it is recorded how likely"
                " each was"
            ),
            holds=lambda spec: spec.scoring.random_approvals is None or spec.postgres is not None,
        ),
        Rule(
            cel=(
                "!has(self.scoring) || !has(self.scoring.lists) || !self.scoring.lists"
                " || has(self.postgres)"
            ),
            message="spec.scoring.lists needs spec.postgres, where lists are kept",
            holds=lambda spec: not spec.scoring.lists or spec.postgres is not None,
        ),
    )


@dataclass(frozen=True, slots=True)
class FraudDetector:
    """One detector as the API server holds it.

    `status` is what the operator wrote last, as plain JSON; `{}` before the first time.
    """

    name: str
    namespace: str
    uid: str
    generation: int
    spec: FraudDetectorSpec
    status: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> FraudDetector:
        """The detector in `obj`. Raises InvalidSpec, naming each field that is wrong."""
        metadata = obj["metadata"]
        name = metadata["name"]
        if not name_is_valid(name):
            raise InvalidSpec((FieldError("metadata.name", NAME_MESSAGE),))
        return cls(
            name=name,
            namespace=metadata.get("namespace", "default"),
            uid=metadata.get("uid", ""),
            generation=metadata.get("generation", 1),
            spec=validated(FraudDetectorSpec, obj.get("spec") or {}, "spec"),
            status=obj.get("status") or {},
        )
