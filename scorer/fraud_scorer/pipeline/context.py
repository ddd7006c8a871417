"""What a request carries from stage to stage besides the transaction itself."""

from __future__ import annotations

from asyncio import Future

from msgspec import Struct, field

from fraud_scorer.registry.loaded import LoadedModel


class Context(Struct):
    """One request. Times are seconds of the monotonic clock."""

    principal: str
    """Who asks; `anonymous` where the service asks nobody for a key."""
    received: float
    deadline: float
    """When nobody waits for the answer any more."""
    traceparent: str = ""
    """The caller's trace (W3C Trace Context), or an empty string."""
    route: str = "score"
    """The way that it came in: score, batch or infer."""
    degraded: list[str] = field(default_factory=list)
    """What this answer had to do without."""
    asked: float = 0.0
    """When stores were asked about it; 0 where none is."""
    recorded: Future[None] | None = None
    """What the answer waits for once it is recorded, where there is something."""
    fits: LoadedModel | None = None
    """A model that is known to take the request's features as they were sent."""
    undated: bool = False
    """Whether the request said no time of the event, so that it was taken for now: who repeats it
    says the same, although it is later."""
