"""The transaction as it is asked about, and the answer. These types are the API's documentation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from fraud_scorer.artifact.plan import MOST_REASONS
from fraud_scorer.artifact.plan import Decision as Decision
from fraud_scorer.registry.loaded import AnswerModel as AnswerModel

MAX_AMOUNT = 2**53 - 1
"""Every JSON reader keeps integers up to here exact."""

MAX_ENTITIES = 16

EntityKind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}(?!\n)$")]
EntityId = Annotated[str, Meta(min_length=1, max_length=128)]


class ScoreRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transaction to be scored."""

    transaction_id: Annotated[
        str,
        Meta(min_length=1, max_length=128, description="The caller's own id of the transaction."),
    ]
    event_time: Annotated[
        datetime, Meta(tz=True, description="When it happened: RFC 3339, with an offset.")
    ]
    entities: Annotated[
        dict[EntityKind, EntityId],
        Meta(
            max_length=MAX_ENTITIES, description="Who and what takes part: customer, terminal, ..."
        ),
    ]
    amount_minor: Annotated[
        int,
        Meta(ge=0, le=MAX_AMOUNT, description="The amount in the currency's minor unit (cents)."),
    ]
    currency: Annotated[
        str, Meta(pattern=r"^[A-Z]{3}(?!\n)$", description="ISO 4217, such as EUR.")
    ]
    features: Annotated[
        dict[str, float | str | None],
        Meta(
            description="The model's inputs by name: exactly those that its manifest names as the"
            " request's."
        ),
    ]


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """Why the score is what it is: one feature's part in it."""

    code: Annotated[str, Meta(description="The feature's reason code, as the manifest has it.")]
    feature: str
    direction: Literal["raises", "lowers"]
    contribution: Annotated[
        float,
        Meta(description="What the feature adds to an ordinary transaction's score or log-odds."),
    ]


class Timing(Struct, frozen=True, kw_only=True, gc=False):
    """Milliseconds spent on the features, in the model (reasons included), and altogether."""

    features: float
    model: float
    total: float


class ScoreAnswer(Struct, frozen=True, kw_only=True, gc=False):
    """The score of a transaction, and what was decided."""

    prediction_id: Annotated[str, Meta(description="This answer's own id.")]
    score: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="The probability of fraud; null where no model could be had."),
    ]
    decision: Decision
    decided_by: Annotated[
        str,
        Meta(
            description="What made the decision: `threshold.decline`, `threshold.review`,"
            " `below_thresholds`; `list.deny.KIND`, `list.allow.KIND`, `random_approval`; or"
            " `unavailable`, where no model could be had."
        ),
    ]
    reasons: Annotated[
        tuple[Reason, ...],
        Meta(
            max_length=MOST_REASONS,
            description="Why it was not approved, the weightiest first; empty where it was, and"
            " where the model was published without reference rows.",
        ),
    ]
    model: Annotated[
        AnswerModel | None,
        Meta(description="What gave the score; null where no model could be had."),
    ]
    feature_age_ms: Annotated[
        float | None,
        Meta(description="Age of the oldest stored feature; null where all came in the request."),
    ]
    degraded: Annotated[
        tuple[str, ...],
        Meta(
            description="What the answer had to do without; mostly nothing. `model`: the one that"
            " should answer cannot be had: another stood in, or the decision is the declared one."
            " `features.redis`, `features.postgres`, `features.defaults`: of kept features,"
            " docs/features.md. `records`: the answer is not in the records. `lists`: who is on"
            " the allow and deny lists could not be read yet. `idempotency`: nobody"
            " knows whether the transaction was answered before."
        ),
    ]
    timing_ms: Timing
