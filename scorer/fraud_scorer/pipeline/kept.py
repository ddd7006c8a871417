"""Features that are kept of entities, of all models that take part: one set of histories for each
way of keeping them.

For histories to be exact every transaction is asked about in each of them, whoever answers. Models
with equal declarations share one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.features import state
from fraud_scorer.features.events import Transaction, microseconds
from fraud_scorer.features.history import History
from fraud_scorer.features.layout import Layout
from fraud_scorer.features.online import Answer, system_clock
from fraud_scorer.features.values import Values
from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.pipeline.features import Known
from fraud_scorer.registry.loaded import LoadedModel

_NO_CURRENCY = "XXX"


class Online(Protocol):
    """The features of one layout."""

    @property
    def layout(self) -> Layout:
        """What is kept, and how."""
        ...

    async def start(self) -> None:
        """Look for what they are kept in."""
        ...

    def tell(self, transaction: Transaction, done: Callable[[Answer], None]) -> None:
        """Call with the features of a transaction, which counts from then on."""
        ...

    async def refresh(self, named: Iterable[tuple[str, str]]) -> None:
        """Read anew what was recorded of these entities."""
        ...

    async def aclose(self) -> None:
        """End what goes on in the background."""
        ...


class KeptFeatures:
    """Of one event loop."""

    def __init__(self, make: Callable[[Layout], Online], history: History | None) -> None:
        """`make` gives the features of a layout, which read what they lack from `history`."""
        self._make, self._history = make, history
        self._online: dict[str, Online] = {}
        self._asked: list[tuple[str, Online]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(self, model: LoadedModel) -> None:
        """Look for the stores before that model takes part."""
        if model.layout is not None:
            await self._of(model.layout_key, model.layout).start()

    def follow(self, models: Iterable[LoadedModel]) -> bool:
        """These take part from now on; whether any of them needs what is kept."""
        wanted = {one.layout_key: one.layout for one in models if one.layout is not None}
        self._asked = [(key, self._of(key, layout)) for key, layout in wanted.items()]
        for key in self._online.keys() - wanted.keys():
            self._behind(self._online.pop(key).aclose())
        return bool(wanted)

    def ask(self, request: ScoreRequest, mark: bytes, done: Callable[[Known], None]) -> None:
        """Call with what is kept of the transaction's entities; from then on it counts for
        others. `mark` is its fingerprint."""
        transaction = Transaction(
            request.transaction_id,
            microseconds(request.event_time),
            request.entities,
            request.amount_minor,
            request.currency,
            mark,
        )
        if len(self._asked) == 1:
            ((key, online),) = self._asked
            online.tell(transaction, lambda answer: done({key: answer}))
            return
        found: dict[str, Answer] = {}
        count = len(self._asked)

        def told(key: str, answer: Answer) -> None:
            found[key] = answer
            if len(found) == count:
                done(found)

        if not count:
            done(found)
        for key, online in self._asked:
            online.tell(transaction, lambda answer, key=key: told(key, answer))  # type: ignore[misc]

    async def refresh(self, entities: Iterable[tuple[str, str]]) -> None:
        """Labels or attributes of these (kind and id) were recorded. Raises where it is to be
        tried again."""
        named = list(entities)
        for online in list(self._online.values()):
            await online.refresh(named)

    async def of_entity(self, kind: str, entity: str) -> Mapping[str, Value] | None:
        """What is kept of an entity, as of now and of what the store of record has; None where
        there is no such store. Raises HistoryAway."""
        if self._history is None:
            return None
        found: dict[str, Value] = {}
        now = system_clock()
        for layout in [one.layout for one in self._online.values()]:
            for index, its in enumerate(layout.kinds):
                if its.kind != kind:
                    continue
                nothing = Transaction("", now, {kind: entity}, 0, _NO_CURRENCY)
                read = await self._history.read(its, entity, time=now, now=now, excluding=())
                totals: list[state.Totals | None] = [None] * len(layout.kinds)
                totals[index] = state.totals(its, read.tables, state.cells(its, nothing))
                values = Values(layout).of(totals, now)
                named = (one.name for one in layout.features if one.kind == index)
                found.update((name, values[name]) for name in named)
        return found

    async def aclose(self) -> None:
        """End what goes on in the background."""
        for online in self._online.values():
            await online.aclose()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _of(self, key: str, layout: Layout) -> Online:
        online = self._online.get(key)
        if online is None:
            online = self._online[key] = self._make(layout)
            self._behind(online.start())
        return online

    def _behind(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
