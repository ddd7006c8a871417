"""What a scorer pod says of itself on its management port: which revisions it holds, which of them
answers, and how they did.

A pod *confirms* a plan by reporting its serial: from then on every process of the pod follows it,
and no answer comes from what that plan does not name. Counts are since the pod follows that plan,
so that those of two revisions are of the same time.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

PATH = "/model/plan"
"""`PUT` a plan (canonical JSON) to have it followed, `GET` a report; both answer with a Report."""

FOLLOWED_PATH = "/model/plan/followed"
"""`GET` the plan that the pod follows, as it was written: how a sibling that starts catches up."""

BLOBS_PATH = "/model/blobs/"
"""`GET` the bytes of what the pod holds, by sha256: where siblings get what the store has not."""

SCORE_BINS = 50
"""Of equal width, from 0 to 1; what is on an edge belongs to the bin below it."""

LATENCY_EDGES = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
"""Seconds: upper edges of the first bins; the last bin has none."""

Count = Annotated[int, Meta(ge=0)]


class Report(Struct, frozen=True, kw_only=True, rename="camel"):
    """One pod. Readers pass over what they do not know, as pods may be newer than the operator."""

    pod: str
    incarnation: str
    """Another one whenever the container was started anew: its counts began again."""
    serial: Count
    """Of the plan that every process of the pod follows; 0: none yet."""
    processes: Annotated[int, Meta(ge=1)]
    ready: bool
    answering: str = ""
    """The revision that answers what is not the candidate's; empty: none does."""
    fallback: bool = False
    """Whether that is the last known good one, because the active one cannot be had here."""
    held: tuple[Held, ...] = ()


class Held(Struct, frozen=True, kw_only=True, rename="camel"):
    """One revision of the plan, in this pod.

    `Refused` is a verdict on the bytes, `Waiting` is trouble with getting them. `reason`, `file`,
    `expected` and `actual` are those of `registry.refusal.Verdict`, or of the store's error.
    """

    revision: str
    version: str
    digest: str
    state: Literal["Loading", "Proven", "Refused", "Waiting"]
    reason: str = ""
    file: str = ""
    expected: str = ""
    actual: str = ""
    message: str = ""
    counts: Counts | None = None


class Counts(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a revision did, in all processes of a pod. A shadow's `requests` were answered by
    others.

    `errors` are transactions that it could not score although they fit its manifest, `invalid`
    those for which it gave no probability (NaN, or beyond 0 to 1). Neither is in the bins.
    """

    requests: Count = 0
    errors: Count = 0
    invalid: Count = 0
    approve: Count = 0
    review: Count = 0
    decline: Count = 0
    scores: tuple[Count, ...] = (0,) * SCORE_BINS
    latencies: tuple[Count, ...] = (0,) * (len(LATENCY_EDGES) + 1)
    """Of scoring and deciding alone, without waiting and printing."""


def added(many: tuple[Counts, ...]) -> Counts:
    """The sum of counts."""

    def total(name: str) -> int:
        return sum(getattr(one, name) for one in many)

    return Counts(
        requests=total("requests"),
        errors=total("errors"),
        invalid=total("invalid"),
        approve=total("approve"),
        review=total("review"),
        decline=total("decline"),
        scores=tuple(sum(one.scores[i] for one in many) for i in range(SCORE_BINS)),
        latencies=tuple(
            sum(one.latencies[i] for one in many) for i in range(len(LATENCY_EDGES) + 1)
        ),
    )


def decode(data: bytes) -> Report:
    """The report in `data`. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a report: {error}") from None
