"""Leader election by a Lease: at most one process writes.

Whether the Lease is still ours is judged by this process' own clock, from the moment at which the
last renewal was sent: 7 s later it is lost, 3 s before anybody else may take it. The check is made
before every write, so a process that was paused notices on its first attempt. The clock goes on
while the machine sleeps. Others' clocks never matter: how old their hold is, is measured from when
we saw it change, not by the time that is written in it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from fraud_operator.runtime import metrics
from fraud_operator.runtime.kinds import LEASE
from fraud_operator.runtime.kube import ApiError, Conflict, Kube, NotFound, WritesForbidden

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """Seconds: how long a hold lasts, when we give up on renewing it, how often we try."""

    duration: float = 10.0
    renew_deadline: float = 7.0
    retry: float = 2.0


def boottime() -> float:
    """Seconds on a clock that nobody sets and that counts while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """Our claim to one Lease object. `kube` must not be guarded by this very Lease."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        name: str,
        identity: str,
        *,
        times: Times | None = None,
        clock: Callable[[], float] = boottime,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._times = times or Times()
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or Random()  # noqa: S311 - spreads retries, keeps no secret
        self._held_until = float("-inf")
        self._object: dict[str, Any] | None = None
        self._seen_at = clock()

    @property
    def held(self) -> bool:
        """Whether the Lease is ours at this moment."""
        return self._clock() < self._held_until

    def check(self) -> None:
        """Raise WritesForbidden unless the Lease is ours: the guard of every write."""
        if not self.held:
            raise WritesForbidden(f"{self._identity} does not hold the Lease {self._name}")

    async def acquire(self) -> None:
        """Return when the Lease is ours. Raises NotFound where its namespace does not exist."""
        complained = ""
        while not await self._try():
            holder = self._holder()
            if holder != complained:
                log.info("waiting for the Lease", extra={"lease": self._name, "holder": holder})
                complained = holder
            await self._sleep(self._times.retry * (0.75 + 0.25 * self._rng.random()))
        metrics.LEADER.set(1)
        log.info("leading", extra={"lease": self._name, "identity": self._identity})

    async def keep(self) -> None:
        """Renew; return when the Lease is lost.

        A hold that lapsed is not resumed, even if nobody took it meanwhile: work that was begun
        under it may rest on a world that has changed. `acquire` begins anew.
        """
        while self.held:
            await self._sleep(min(self._times.retry, max(0.0, self._held_until - self._clock())))
            if self.held:
                await self._try()
        metrics.LEADER.set(0)
        log.warning("lost the Lease", extra={"lease": self._name, "identity": self._identity})

    async def release(self) -> None:
        """Give the Lease back, so that a successor need not wait for its end."""
        if not self.held or self._object is None:
            return
        self._held_until = float("-inf")
        metrics.LEADER.set(0)
        try:
            await self._give_back()
        except ApiError as error:
            log.warning("could not release the Lease: %s", error)
        else:
            log.info("released the Lease", extra={"lease": self._name})

    async def _give_back(self) -> None:
        """A renewal that was given up on may still have taken effect: then what we know is old."""
        try:
            await self._write_empty()
        except Conflict:
            await self._look()
            if self._holder() == self._identity:
                await self._write_empty()

    async def _write_empty(self) -> None:
        assert self._object is not None  # noqa: S101 - whoever has a holder is there
        spec = {**self._object["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        await self._kube.update({**self._object, "spec": spec}, deadline=self._times.retry)

    def _holder(self) -> str:
        return str(self._object["spec"].get("holderIdentity") or "") if self._object else ""

    async def _try(self) -> bool:
        """One attempt to take or to renew; whether the Lease is ours afterwards."""
        sent = self._clock()
        try:
            if not self.held or self._object is None:
                await self._look()
                if not self._free():
                    self._held_until = float("-inf")
                    return False
            self._object = await self._write()
        except Conflict:
            self._object = None  # somebody wrote it: look at it before the next attempt
            return False
        except NotFound:
            if self._object is None:
                raise
            self._object = None  # somebody deleted it: make it anew
            return False
        except ApiError as error:
            log.warning("cannot reach the Lease: %s", error)
            return False
        self._held_until = sent + self._times.renew_deadline
        return True

    async def _look(self) -> None:
        seen = await self._kube.get(LEASE, self._namespace, self._name)
        version = seen and seen["metadata"]["resourceVersion"]
        known = self._object and self._object["metadata"]["resourceVersion"]
        if seen is None or version != known:
            self._seen_at = self._clock()
        self._object = seen

    def _free(self) -> bool:
        if self._object is None or self._holder() in ("", self._identity):
            return True
        duration = float(self._object["spec"].get("leaseDurationSeconds") or self._times.duration)
        return self._clock() >= self._seen_at + duration

    async def _write(self) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        old = self._object["spec"] if self._object else {}
        ours = old.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._times.duration),
            "acquireTime": old.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if ours else 1),
        }
        deadline = max(0.5, self._times.renew_deadline - self._times.retry)
        if self._object is not None:
            return await self._kube.update({**self._object, "spec": spec}, deadline=deadline)
        return await self._kube.create(
            {
                "apiVersion": LEASE.api_version,
                "kind": LEASE.kind,
                "metadata": {"name": self._name, "namespace": self._namespace},
                "spec": spec | {"leaseTransitions": 0},
            }
        )
