"""`spec.model.verification`, `.rollout` and `.rollback`: how a version is proven, how it takes over
and how it is taken back."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, WithJsonSchema

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.names import ObjectName, SecretKey
from fraud_operator.api.quantities import Duration, Fraction, Memory

Strategy = Literal["Immediate", "Canary", "Shadow"]

_TOLERANCE = r"^(0(\.[0-9]{1,18})?|[1-9](\.[0-9]{1,9})?e-[1-9][0-9]?)$"
_FACTOR = r"^[1-9][0-9]{0,2}(\.[0-9]{1,3})?$"


def _string(pattern: str) -> Any:
    return WithJsonSchema({"type": "string", "pattern": pattern, "maxLength": 24})


Tolerance = Annotated[str, StringConstraints(pattern=_TOLERANCE), _string(_TOLERANCE)]
Factor = Annotated[str, StringConstraints(pattern=_FACTOR), _string(_FACTOR)]
Step = Annotated[int, Field(ge=1, le=100)]
Requests = Annotated[int, Field(ge=1, le=100_000_000)]


class PublicKeySecret(Fields):
    """A key of a Secret in the detector's namespace."""

    name: ObjectName = Field(description="Name of a Secret in this namespace.")
    key: SecretKey = Field(description="The Secret's key that holds the public key (PEM).")


class Signature(Fields):
    """Whose signature a version must have."""

    public_key_secret: PublicKeySecret = Field(
        description="Where the public key (ECDSA P-256, PEM) is that a version is signed with."
    )


class Verification(Fields):
    """How a version is proven before any scorer pod hears of it."""

    signature: Signature | None = Field(
        None,
        description=(
            "Whose signature a version must have. Not set: none is looked for. What serves already"
            " goes on serving when this changes; versions to come are held to it."
        ),
    )
    golden_tolerance: Tolerance | None = Field(
        None,
        description=(
            "By how much the score of a golden transaction may differ from the published one, such"
            ' as "1e-9" or "0.000001". Not set: "1e-9".'
        ),
    )
    max_score_milliseconds: Annotated[int, Field(ge=1, le=60_000)] | None = Field(
        None,
        description=(
            "A version whose median transaction takes longer to score is refused as TooSlow."
            " Not set: 50."
        ),
    )
    allow_input_changes: bool | None = Field(
        None,
        description=(
            "Whether a version may take other inputs than the one that serves: set it once callers"
            " send what the new version takes. Else a version that would refuse what callers send"
            " today is refused as InputsChanged. Not set: false."
        ),
    )
    timeout: Duration | None = Field(
        None,
        description=(
            "How long a verification may take, such as 10m; after that it is inconclusive and tried"
            " again. Not set: 10m."
        ),
    )
    memory: Memory | None = Field(
        None, description="Memory that a verification may take. Not set: 2Gi."
    )


class Tolerances(Fields):
    """By how much a candidate may differ from the active version. Differences that chance explains
    never count."""

    errors: Fraction | None = Field(
        None,
        description=(
            "By how much the share of transactions that could not be scored may be greater."
            ' Not set: "0.001".'
        ),
    )
    invalid: Fraction | None = Field(
        None,
        description=(
            "By how much the share of scores that are no probability (NaN) may be greater."
            ' Not set: "0.001".'
        ),
    )
    decisions: Fraction | None = Field(
        None,
        description=(
            "By how much the share of declined, or of reviewed, transactions may differ."
            ' Not set: "0.05".'
        ),
    )
    scores: Fraction | None = Field(
        None,
        description=(
            "How great the Kolmogorov-Smirnov distance between both distributions of scores may be."
            ' Not set: "0.10".'
        ),
    )
    latency: Factor | None = Field(
        None,
        description=(
            "How many times the 99th percentile of the time to score may be that of the active"
            ' version, such as "1.5"; below 1 ms nothing counts. Not set: "2".'
        ),
    )


class Canary(Fields):
    """A candidate answers a growing share of all transactions, each transaction the same in every
    pod, and is compared with the active version at each step."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=10)] | None = Field(
        None,
        description=(
            "Percent of all transactions at each step, in ascending order. 100 is what it has once"
            " it is active, and no step of its own. Not set: 1, 10, 50."
        ),
    )
    step_duration: Duration | None = Field(
        None,
        description=(
            "How long a step lasts at the least, such as 5m. After ten times as long with too"
            " little traffic the candidate stops answering and waits for a person. Not set: 5m."
        ),
    )
    min_requests: Requests | None = Field(
        None,
        description=(
            "How many transactions of the candidate, and of the active version, a step compares at"
            " the least. Not set: 200."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "!has(self.steps) || self.steps.all(one,"
                " self.steps.filter(other, other == one).size() == 1)"
            ),
            message="spec.model.rollout.canary.steps must have each percentage once",
            holds=lambda canary: (
                canary.steps is None or len(set(canary.steps)) == len(canary.steps)
            ),
        ),
    )


class Shadow(Fields):
    """A candidate scores a copy of every transaction, answers none, and is compared with the active
    version; where it does as well it becomes active."""

    duration: Duration | None = Field(
        None,
        description=(
            "For how long it is compared at the least, such as 30m. After ten times as long with"
            " too little traffic it waits for a person. Not set: 30m."
        ),
    )
    min_requests: Requests | None = Field(
        None, description="How many transactions are compared at the least. Not set: 1000."
    )


class Rollout(Fields):
    """How a proven version takes over."""

    strategy: Strategy | None = Field(
        None,
        description=(
            "Immediate: once every pod holds it. Canary: by growing shares of the traffic, compared"
            " with the active version. Shadow: after it scored copies of the traffic as well as the"
            " active version. Not set: Immediate."
        ),
    )
    canary: Canary | None = Field(None, description="Steps of the strategy Canary.")
    shadow: Shadow | None = Field(None, description="Length of the strategy Shadow.")
    tolerances: Tolerances | None = Field(
        None, description="By how much a candidate may differ, with Canary and Shadow."
    )
    max_decline_shift: Fraction | None = Field(
        None,
        description=(
            "By how much a change of thresholds may move the share of declined transactions, as it"
            " is projected from the scores of the active version. Beyond it the change waits for"
            ' kubectl fraud promote. Not set: "0.05".'
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.canary) || (has(self.strategy) && self.strategy == 'Canary')",
            message="spec.model.rollout.canary goes only with strategy Canary",
            holds=lambda rollout: rollout.canary is None or rollout.strategy == "Canary",
        ),
        Rule(
            cel="!has(self.shadow) || (has(self.strategy) && self.strategy == 'Shadow')",
            message="spec.model.rollout.shadow goes only with strategy Shadow",
            holds=lambda rollout: rollout.shadow is None or rollout.strategy == "Shadow",
        ),
        Rule(
            cel=(
                "!has(self.tolerances) || (has(self.strategy) && self.strategy in"
                " ['Canary', 'Shadow'])"
            ),
            message="spec.model.rollout.tolerances goes only with strategy Canary or Shadow",
            holds=lambda rollout: (
                rollout.tolerances is None or rollout.strategy in ("Canary", "Shadow")
            ),
        ),
    )


class Rollback(Fields):
    """How a version is taken back."""

    automatic: bool | None = Field(
        None,
        description=(
            "Whether the operator goes back by itself from an active version that most pods refuse,"
            " or can no longer get. false: a condition asks for kubectl fraud rollback. A version"
            " that was refused before, here or by another detector on the same store, never serves,"
            " whatever this says. Not set: true."
        ),
    )
    history_limit: Annotated[int, Field(ge=2, le=100)] | None = Field(
        None,
        description=(
            "How many revisions (a model with its thresholds) that were active are kept to go back"
            " to. Not set: 10."
        ),
    )
