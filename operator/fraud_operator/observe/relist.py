"""Complete lists, now and then: what watches missed, and the ghosts they left, end here.

The first lists make the view complete before anything is reconciled. Afterwards each kind is listed
every ten to fifteen minutes, spread so that neither kinds nor replicas do it at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from fraud_operator.observe.store import DETECTOR_LABEL, Key, ObjectStore
from fraud_operator.runtime import metrics
from fraud_operator.runtime.kinds import FRAUD_DETECTOR, WATCHED, Kind
from fraud_operator.runtime.kube import ApiError, Kube

log = logging.getLogger(__name__)

_SPREAD = 0.2


def selector_of(kind: Kind) -> str:
    """Which objects of a kind concern us, as a label selector; empty: all."""
    return "" if kind == FRAUD_DETECTOR else DETECTOR_LABEL


class Relist:
    """Keeps an ObjectStore complete. `changed` is told every key that a list was news for."""

    def __init__(
        self,
        kube: Kube,
        store: ObjectStore,
        namespaces: Sequence[str],
        *,
        every: float,
        changed: Callable[[Key], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        self._kube = kube
        self._store = store
        self._namespaces = tuple(namespaces)
        self._every = every
        self._changed = changed
        self._sleep = sleep
        self._rng = rng or Random()  # noqa: S311 - spreads lists, keeps no secret

    async def once(self, kind: Kind) -> None:
        """List one kind completely. Raises ApiError and then changes nothing of that namespace."""
        for namespace in self._namespaces or (None,):
            objects, version = await self._kube.list(
                kind, namespace, label_selector=selector_of(kind)
            )
            within = () if namespace is None else (namespace,)
            news = self._store.replace(kind, within, objects, version)
            metrics.LISTS.labels(kind.kind, "news" if news else "same").inc()
            for key in news:
                self._changed(key)

    async def all(self) -> None:
        """List every kind once. Raises ApiError."""
        for kind in WATCHED:
            await self.once(kind)
        metrics.DETECTORS.set(len(self._store.detectors()))

    async def run(self) -> None:
        """List each kind again and again; returns only when cancelled."""
        await asyncio.gather(*(self._repeat(kind) for kind in WATCHED))

    async def _repeat(self, kind: Kind) -> None:
        while True:
            spread = 1 - _SPREAD + 2 * _SPREAD * self._rng.random()
            await self._sleep(self._every * spread)
            try:
                await self.once(kind)
            except ApiError as error:
                log.warning("cannot list %s: %s", kind.plural, error)
