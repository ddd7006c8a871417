"""Looks at every detector's model store in its syncInterval, and tells what changed.

A store that cannot be read keeps the versions that were known, with the reason; looks become rarer
then, up to two minutes, and credentials that appear start anew (`wake`). Looks run in a
few threads, so a store that hangs holds up some others for seconds, and never the event loop.

Detectors that read the same server with the same keys share a client, and those that name the same
Secret of a namespace share one reading of it: a thousand that appear at once ask for it once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextvars import Context
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from fraud_operator.models.look import Looker
from fraud_operator.models.source import Identities, Source
from fraud_operator.observe.store import Key
from fraud_operator.plan.types import StoreVersion, StoreView
from fraud_operator.runtime import metrics
from fraud_operator.runtime.kube import ApiError
from fraud_scorer.artifact.credentials import Credentials, Keys
from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.store import Store, StoreError

if TYPE_CHECKING:
    from fraud_scorer.artifact.s3 import S3Store

log = logging.getLogger(__name__)

_JITTER = 0.1
_LONGEST_PAUSE = 120.0
_CREDENTIALS_LOOKS = 10
_SHARED_SECONDS = 30.0
_SHARED_MOST = 1000
_OPEN_CLIENTS = 64

OpenStore = Callable[[S3Location, Credentials], Store]


def open_s3(location: S3Location, credentials: Credentials) -> S3Store:
    """A store that gives up after about ten seconds. Imports the SDK at the first call."""
    from fraud_scorer.artifact.s3 import S3Store

    return S3Store(location, credentials, connect_timeout=3.0, read_timeout=5.0, attempts=1)


def warm_up() -> None:
    """Have the SDK read its descriptions, which takes a second, before a detector waits for it."""
    open_s3(S3Location(bucket="none"), Keys("none", "none"))


class S3Stores:
    """Opens stores, for any thread; those that differ in bucket and prefix only share a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: OrderedDict[tuple[str, str, Credentials], S3Store] = OrderedDict()

    def __call__(self, location: S3Location, credentials: Credentials) -> S3Store:
        """The store at `location`."""
        who = (location.endpoint, location.region, credentials)
        # One at a time: the SDK reads megabytes of descriptions when it is used for the first time,
        # and would do so in every thread.
        with self._lock:
            store = self._clients.get(who)
            if store is None:
                store = self._clients[who] = open_s3(location, credentials)
                while len(self._clients) > _OPEN_CLIENTS:
                    self._clients.popitem(last=False)
            self._clients.move_to_end(who)
        return store.at(location)


@dataclass(slots=True)
class _Follower:
    """One detector's store."""

    source: Source
    looker: Looker = field(default_factory=Looker)
    view: StoreView = field(default_factory=StoreView)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    credentials: Credentials | None = None
    failures: int = 0
    looks: int = 0
    task: asyncio.Task[None] | None = None


class ModelStores:
    """The stores of all detectors. `changed` is told the key whose view is another than before."""

    def __init__(
        self,
        identities: Identities,
        executor: Executor,
        changed: Callable[[Key], None],
        *,
        open_store: OpenStore | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identities = identities
        self._executor = executor
        self._changed = changed
        self._open_store = open_store or S3Stores()
        self._sleep = sleep
        self._rng = rng or Random()  # noqa: S311 - spreads looks, keeps no secret
        self._followers: dict[Key, _Follower] = {}
        self._clock = clock
        self._shared: dict[tuple[str, str], tuple[float, Keys]] = {}

    def follow(self, key: Key, source: Source) -> StoreView:
        """What is known of the detector's store; from now on it is looked at regularly."""
        follower = self._followers.get(key)
        if follower is None or follower.source != source:
            self.forget(key)
            follower = self._followers[key] = _Follower(source)
            # A context of its own: its logs are not those of the reconciliation that began it.
            follower.task = asyncio.create_task(
                self._follow(key, follower), name=f"store of {key}", context=Context()
            )
        return follower.view

    def wake(self, key: Key) -> None:
        """What kept the store from being read may be mended: look now if the last look failed."""
        follower = self._followers.get(key)
        if follower is not None and follower.failures:
            follower.woken.set()

    def forget(self, key: Key) -> None:
        """The detector is gone."""
        follower = self._followers.pop(key, None)
        if follower is not None and follower.task is not None:
            follower.task.cancel()

    async def close(self) -> None:
        """Look at nothing any more."""
        tasks = [one.task for one in self._followers.values() if one.task is not None]
        for key in list(self._followers):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, key: Key, follower: _Follower) -> None:
        while True:
            follower.woken.clear()
            view = await self._look(key, follower)
            metrics.STORE_POLLS.labels(view.reason or "ok").inc()
            follower.failures = follower.failures + 1 if view.reason else 0
            if view != follower.view:
                follower.view = view
                self._changed(key)
            await self._pause(follower)

    async def _pause(self, follower: _Follower) -> None:
        """Until the next look is due; a failing store can be woken."""
        interval = follower.source.interval
        if follower.failures:
            longest = max(interval, _LONGEST_PAUSE)
            interval = min(interval * 2 ** min(follower.failures - 1, 10), longest)
        interval *= 1 - _JITTER + 2 * _JITTER * self._rng.random()
        if not follower.failures:
            await self._sleep(interval)
            return
        sleeping = asyncio.ensure_future(self._sleep(interval))
        waking = asyncio.ensure_future(follower.woken.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    async def _look(self, key: Key, follower: _Follower) -> StoreView:
        before = follower.view
        follower.looks += 1
        try:
            credentials = await self._credentials(follower)
            loop = asyncio.get_running_loop()
            versions = await loop.run_in_executor(
                self._executor, self._versions, follower, credentials
            )
        except (StoreError, ApiError) as error:
            reason = error.reason if isinstance(error, StoreError) else "CredentialsUnreadable"
            if not before.reason:
                log.warning("cannot read the model store of %s: %s", key, error)
            return StoreView(before.versions, reason, str(error), listed=True)
        except Exception as error:
            log.exception("looking at the model store of %s failed", key)
            return StoreView(before.versions, "StoreError", repr(error), listed=True)
        return StoreView(versions, listed=True)

    def _versions(self, follower: _Follower, credentials: Credentials) -> tuple[StoreVersion, ...]:
        return follower.looker.look(self._open_store(follower.source.location, credentials))

    async def _credentials(self, follower: _Follower) -> Credentials:
        """Who asks; read anew after a failure, and now and then."""
        source = follower.source
        due = follower.failures or not follower.looks % _CREDENTIALS_LOOKS
        if follower.credentials is not None and not due:
            return follower.credentials
        secret = (source.namespace, source.secret)
        until, keys = self._shared.get(secret, (0.0, None))
        if keys is not None and not due and self._clock() < until:
            follower.credentials = keys
            return keys
        found = await self._identities.of(source)
        if isinstance(found, Keys):
            while len(self._shared) >= _SHARED_MOST:
                del self._shared[next(iter(self._shared))]
            self._shared[secret] = (self._clock() + _SHARED_SECONDS, found)
        follower.credentials = found
        return found
