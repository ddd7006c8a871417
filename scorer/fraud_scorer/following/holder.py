"""A serving process that holds models, and lets them answer, as its parent orders.

What answers changes the moment orders come. Revisions to be held are opened and proven one after
the other in a thread, the most urgent first; whoever asks for a score meanwhile does not notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from fraud_scorer.artifact.store import DigestMismatch
from fraud_scorer.following.orders import Answering, Following, Hold, Holding, Orders
from fraud_scorer.following.threads import in_thread
from fraud_scorer.registry.load import open_fetched
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.refusal import KeptFeaturesMissing, Refused
from fraud_scorer.registry.registry import ModelRegistry, Roles
from fraud_scorer.registry.share import Share

_log = logging.getLogger(__name__)

Prepare = Callable[[LoadedModel], Awaitable[None]]
"""May raise KeptFeaturesMissing."""


class Holder:
    """Obeys orders. Used from the event loop's thread only."""

    def __init__(
        self,
        registry: ModelRegistry,
        tell: Callable[[Following], None],
        prepare: Prepare | None = None,
    ) -> None:
        """`tell` the parent. `prepare`: what is to be done before a model takes part."""
        self._prepare = prepare
        self.answering = asyncio.Event()
        """Set once everything that is to answer can."""
        self._registry = registry
        self._tell = tell
        self._orders = Orders(number=0, detector="", answering=Answering(), hold=())
        self._states: dict[str, Holding] = {}
        self._loading: asyncio.Task[None] | None = None

    def follow(self, orders: Orders) -> None:
        """Obey these from now on."""
        self._orders = orders
        wanted = {hold.model.revision: hold for hold in orders.hold}
        self._answer(orders)
        for revision in list(self._registry.held):
            if revision not in wanted:
                self._registry.drop(revision)
        self._states = {revision: self._still(hold) for revision, hold in wanted.items()}
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        self._say()

    def _still(self, hold: Hold) -> Holding:
        """What is known of a revision, as far as it goes for this attempt."""
        known = self._states.get(hold.model.revision)
        if known is not None and (known.state == "Proven" or known.attempt == hold.attempt):
            return known
        return Holding(revision=hold.model.revision, attempt=hold.attempt, state="Queued")

    def _answer(self, orders: Orders) -> None:
        """Give everybody the part that the orders say, as far as they are held here."""
        self._registry.assign(_roles(orders, self._registry.held))
        answering = orders.answering
        needed = [answering.active] if answering.active else []
        if answering.share or answering.shadow:
            needed.append(answering.candidate)
        if answering.answers and all(one in self._registry.held for one in needed):
            self.answering.set()

    async def _load(self) -> None:
        """Hold everything that is to be held."""
        while (hold := self._next()) is not None:
            revision = hold.model.revision
            self._set(hold, Holding(revision=revision, attempt=hold.attempt, state="Loading"))
            found = await in_thread(partial(_opened, hold))
            if self._prepare is not None and not isinstance(found, Holding):
                try:
                    await self._prepare(found)
                except KeptFeaturesMissing as error:
                    _log.error("a version cannot be served", extra={"error": str(error)})
                    found = _failed(hold, str(error))
            if isinstance(found, Holding):
                self._set(hold, found)
            elif self._states.get(revision) is not None:
                self._registry.install(found)
                self._answer(self._orders)
                self._set(hold, Holding(revision=revision, attempt=hold.attempt, state="Proven"))

    def _next(self) -> Hold | None:
        for hold in self._orders.hold:
            if self._states[hold.model.revision].state == "Queued":
                return hold
        return None

    def _set(self, hold: Hold, state: Holding) -> None:
        """Remember and tell how it stands with a revision, if that still matters."""
        known = self._states.get(hold.model.revision)
        if known is not None and known.attempt == hold.attempt:
            self._states[hold.model.revision] = state
            self._say()

    def _say(self) -> None:
        self._tell(
            Following(
                number=self._orders.number,
                armed=self.answering.is_set(),
                held=tuple(self._states.values()),
            )
        )


def _roles(orders: Orders, held: Mapping[str, LoadedModel]) -> Roles:
    """The parts that orders give to what is held."""
    wanted = orders.answering
    candidate = held.get(wanted.candidate)
    share = None
    if candidate is not None and wanted.share:
        share = Share(orders.detector, candidate.revision, wanted.share)
    return Roles(
        active=held.get(wanted.active),
        fallback=wanted.fallback,
        candidate=candidate,
        share=share,
        shadow=wanted.shadow,
        last_known_good=held.get(wanted.last_known_good),
        when_unavailable=wanted.when_unavailable,
    )


def _opened(hold: Hold) -> LoadedModel | Holding:
    """The proven model, or why there is none."""
    revision = hold.model.revision
    try:
        return open_fetched(hold.model, Path(hold.manifest_file), Path(hold.model_file))
    except Refused as refused:
        _log.error("refused", extra={"verdict": refused.verdict})
        return Holding(
            revision=revision, attempt=hold.attempt, state="Refused", verdict=refused.verdict
        )
    except (DigestMismatch, OSError, MemoryError) as error:
        message = f"version {hold.model.version} cannot be opened here: {error!r}"
        _log.warning(message)
        return _failed(hold, message)


def _failed(hold: Hold, message: str) -> Holding:
    return Holding(
        revision=hold.model.revision, attempt=hold.attempt, state="Failed", message=message
    )
