"""Looks at every detector's model store in its syncInterval, and tells what changed.

A store that cannot be read keeps the versions that were known, with the reason; looks become rarer
then, up to two minutes, and credentials that appear start anew (`wake`). Looks run in a
few threads, so a store that hangs holds up some others for seconds, and never the event loop.

Detectors with the same source share its looks, and those that name the same Secret of a namespace
share one reading of it: a thousand that appear at once ask for it once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence, Set
from concurrent.futures import Executor
from contextvars import Context
from dataclasses import dataclass, field, replace
from random import Random

from fraud_operator.models.clients import Clients, OpenStore
from fraud_operator.models.identities import Access, Identities
from fraud_operator.models.look import CHECKED_EVERY, Looker
from fraud_operator.models.quarantine import Quarantine
from fraud_operator.models.source import Asked, Source
from fraud_operator.observe.store import Key
from fraud_operator.plan.release.record import Entry
from fraud_operator.plan.types import StoreVersion, StoreView
from fraud_operator.runtime import metrics
from fraud_operator.runtime.kube import ApiError
from fraud_scorer.artifact.store import StoreError

log = logging.getLogger(__name__)

_JITTER = 0.1
_LONGEST_PAUSE = 120.0
_VOLUME_PAUSE = 5.0
_CREDENTIALS_LOOKS = 10
_SHARED_SECONDS = 30.0
_SHARED_MOST = 1000


@dataclass(slots=True)
class _Follower:
    """One source, and the detectors that share its looks, each with the versions that it wants."""

    source: Source
    looker: Looker
    keys: dict[Key, Set[str]] = field(default_factory=dict)
    quarantine: Quarantine = field(default_factory=Quarantine)
    view: StoreView = field(default_factory=StoreView)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    access: dict[Asked, Access] = field(default_factory=dict)
    failures: int = 0
    looks: int = 0
    thorough: bool = True
    """Whether the next look is to read again what is known."""
    quarantine_due: bool = True
    unwritten: dict[tuple[str, str], Entry] = field(default_factory=dict)
    """Entries of the quarantine that are to be kept in the store."""
    writing: asyncio.Task[None] | None = None
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
        self._open_store = open_store or Clients()
        self._sleep = sleep
        self._rng = rng or Random()  # noqa: S311 - spreads looks, keeps no secret
        self._followers: dict[Source, _Follower] = {}
        self._sources: dict[Key, Source] = {}
        self._asked: dict[Key, str] = {}
        self._clock = clock
        self._shared: dict[Hashable, tuple[float, Access]] = {}

    def follow(self, key: Key, source: Source, wanted: Set[str] = frozenset()) -> StoreView:
        """What is known of the detector's store; from now on it is looked at regularly. `wanted`
        are versions that matter to it, however many are newer."""
        if self._sources.get(key) != source:
            self.forget(key)
            self._sources[key] = source
        follower = self._followers.get(source)
        if follower is None:
            looker = Looker(self._rng.randrange(CHECKED_EVERY))
            follower = self._followers[source] = _Follower(source, looker)
            # A context of its own: its logs are not those of the reconciliation that began it.
            follower.task = asyncio.create_task(
                self._follow(follower), name=f"store {source.versions.location}", context=Context()
            )
        follower.keys[key] = wanted
        return follower.view

    def follows(self, key: Key) -> bool:
        """Whether the detector's store is looked at."""
        return key in self._sources

    def wake(self, key: Key) -> None:
        """What kept the store from being read may be mended: look now if the last look failed."""
        follower = self._follower(key)
        if follower is not None and follower.failures:
            follower.woken.set()

    def look_now(self, key: Key, request: str) -> None:
        """Somebody asked for it: look now, and read again what is known; once for a request."""
        follower = self._follower(key)
        if follower is not None and self._asked.get(key) != request:
            self._asked[key] = request
            follower.thorough = True
            follower.woken.set()

    def record(self, key: Key, entries: Iterable[Entry]) -> None:
        """Have entries of the quarantine kept where proven bytes are kept. What cannot be written
        is tried again now and then; the view says why."""
        follower = self._follower(key)
        if follower is None:
            return
        given = {(one.digest, one.version): one for one in entries}
        if given.items() <= follower.unwritten.items():
            return
        follower.unwritten |= given
        self._write_soon(follower)

    def forget(self, key: Key) -> None:
        """The detector is gone, or asks elsewhere."""
        self._asked.pop(key, None)
        source = self._sources.pop(key, None)
        if source is None:
            return
        follower = self._followers[source]
        del follower.keys[key]
        if not follower.keys:
            del self._followers[source]
            if follower.task is not None:
                follower.task.cancel()

    async def close(self) -> None:
        """Look at nothing any more."""
        both = [task for one in self._followers.values() for task in (one.task, one.writing)]
        tasks = [task for task in both if task is not None]
        for key in list(self._sources):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follower(self, key: Key) -> _Follower | None:
        source = self._sources.get(key)
        return None if source is None else self._followers[source]

    async def _follow(self, follower: _Follower) -> None:
        while True:
            follower.woken.clear()
            view = await self._look(follower)
            metrics.STORE_POLLS.labels(view.reason or "ok").inc()
            follower.failures = follower.failures + 1 if view.reason else 0
            self._learn(follower, view)
            await self._pause(follower)

    def _write_soon(self, follower: _Follower) -> None:
        """Unless it is being done already."""
        if follower.writing is None or follower.writing.done():
            follower.writing = asyncio.create_task(
                self._write_all(follower), name="keep the quarantine", context=Context()
            )

    async def _write_all(self, follower: _Follower) -> None:
        problem = ""
        while follower.unwritten and not problem:
            name, entry = next(iter(follower.unwritten.items()))
            problem = await self._write_one(follower, entry)
            if not problem and follower.unwritten.get(name) == entry:
                del follower.unwritten[name]
        if problem and problem != follower.view.ledger_problem:
            where = follower.source.artifacts.location
            log.warning("cannot keep the quarantine in %s: %s", where, problem)
        self._learn(follower, replace(follower.view, ledger_problem=problem))

    async def _write_one(self, follower: _Follower, entry: Entry) -> str:
        """Empty when the entry, or a later turn of it, is in the store; else why not."""
        asked = follower.source.artifacts
        try:
            access = await self._access(follower, asked)
            loop = asyncio.get_running_loop()
            kept = await loop.run_in_executor(
                self._executor, self._write, follower, asked, access, entry
            )
        except (StoreError, ApiError) as error:
            follower.access.pop(asked, None)
            return f"{_reason(error)}: {error}"
        except Exception as error:
            log.exception("writing to %s failed", asked.location)
            return repr(error)
        name = (kept.digest, kept.version)
        others = [one for one in follower.view.ledger if (one.digest, one.version) != name]
        self._learn(follower, replace(follower.view, ledger=(*others, kept)))
        return ""

    def _learn(self, follower: _Follower, view: StoreView) -> None:
        if view != follower.view:
            follower.view = view
            for key in follower.keys:
                self._changed(key)

    async def _pause(self, follower: _Follower) -> None:
        """Until the next look is due, or somebody wakes it."""
        interval = follower.source.interval
        if follower.failures and follower.source.asks_a_volume:
            # It comes back in seconds, and minds no request.
            interval = min(interval, _VOLUME_PAUSE)
        elif follower.failures:
            longest = max(interval, _LONGEST_PAUSE)
            interval = min(interval * 2 ** min(follower.failures - 1, 10), longest)
        interval *= 1 - _JITTER + 2 * _JITTER * self._rng.random()
        sleeping = asyncio.ensure_future(self._sleep(interval))
        waking = asyncio.ensure_future(follower.woken.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    async def _look(self, follower: _Follower) -> StoreView:
        before = follower.view
        where = follower.source.versions.location
        due = bool(follower.failures) or not follower.looks % _CREDENTIALS_LOOKS
        if follower.unwritten and due:
            self._write_soon(follower)
        follower.looks += 1
        thorough, follower.thorough = follower.thorough, False
        try:
            source = follower.source
            versions = await self._access(follower, source.versions, due=due)
            artifacts = versions
            if source.artifacts != source.versions:
                artifacts = await self._access(follower, source.artifacts, due=due)
            wanted: Set[str] = frozenset().union(*follower.keys.values())
            loop = asyncio.get_running_loop()
            found, ledger = await loop.run_in_executor(
                self._executor, self._ask, follower, (versions, artifacts), wanted, thorough
            )
        except (StoreError, ApiError) as error:
            if not before.reason:
                log.warning("cannot read the model store %s: %s", where, error)
            now = follower.view
            return replace(now, reason=_reason(error), message=str(error), listed=True)
        except Exception as error:
            log.exception("looking at the model store %s failed", where)
            now = follower.view
            return replace(now, reason="StoreError", message=repr(error), listed=True)
        now = follower.view
        known = now.ledger if ledger is None else ledger
        return StoreView(found, listed=True, ledger=known, ledger_problem=now.ledger_problem)

    def _ask(
        self,
        follower: _Follower,
        access: tuple[Access, Access],
        wanted: Set[str],
        thorough: bool,
    ) -> tuple[Sequence[StoreVersion], Sequence[Entry] | None]:
        """The versions, and the quarantine where it was read. In a thread."""
        source = follower.source
        store = self._open_store(source.versions.location, access[0])
        found = follower.looker.look(store, wanted, thorough=thorough)
        # What is new must not be taken for good because the quarantine is known as it was.
        follower.quarantine_due |= thorough or follower.looker.found_news
        if not follower.quarantine_due:
            return found, None
        if source.artifacts != source.versions:
            store = self._open_store(source.artifacts.location, access[1])
        ledger = follower.quarantine.read(store)
        follower.quarantine_due = False
        return found, ledger

    def _write(self, follower: _Follower, asked: Asked, access: Access, entry: Entry) -> Entry:
        """In a thread."""
        return follower.quarantine.write(self._open_store(asked.location, access), entry)

    async def _access(self, follower: _Follower, asked: Asked, *, due: bool = False) -> Access:
        """How that store is asked. What a Secret says is read anew after a failure, and now and
        then; a ServiceAccount's token is renewed by itself."""
        known = follower.access.get(asked)
        if known is not None and (not due or not (follower.failures or asked.secret)):
            return known
        source = follower.source
        kind = type(asked.location.s3 or asked.location.gcs or asked.location.volume)
        name = (source.namespace, asked.secret, asked.authorities, kind)
        until, shared = self._shared.get(name, (0.0, None))
        first = known is None and not follower.failures
        if shared is not None and first and self._clock() < until:
            follower.access[asked] = shared
            return shared
        found = await self._identities.of(source, asked)
        if asked.secret:
            while len(self._shared) >= _SHARED_MOST:
                del self._shared[next(iter(self._shared))]
            self._shared[name] = (self._clock() + _SHARED_SECONDS, found)
        follower.access[asked] = found
        return found


def _reason(error: StoreError | ApiError) -> str:
    return error.reason if isinstance(error, StoreError) else "CredentialsUnreadable"
