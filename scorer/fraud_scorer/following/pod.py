"""A pod that follows plans, from its start: where they come from, and what it reports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.report import Counts, Report
from fraud_scorer.following.blobs import Blobs
from fraud_scorer.following.channels import LOOK_SECONDS, Memory, PlanFile, latest, of_siblings
from fraud_scorer.following.fetching import Fetching, OpenStore
from fraud_scorer.following.follower import Follower, Foreign, Outdated
from fraud_scorer.following.siblings import Siblings

_log = logging.getLogger(__name__)


class Pod:
    """One pod. Used from the event loop's thread only."""

    def __init__(
        self,
        plan: Path,
        *,
        blobs: Path,
        state: Path | None,
        open_store: OpenStore,
        open_backup: OpenStore | None = None,
        siblings: Siblings | None,
        count: Callable[[], Mapping[str, Counts]],
        processes: int,
    ) -> None:
        """`plan`: the mounted file. `blobs`: the folder for files. `state`: that in which the plan
        is kept. `count`: what was counted so far, by revision. Raises OSError where a folder cannot
        be made."""
        self.blobs = Blobs(blobs)
        self.changed: Callable[[], None] = lambda: None
        """Called whenever the pod may be ready that was not, or the other way about."""
        self.follower = Follower(
            self.blobs,
            Fetching(self.blobs, open_store, siblings, open_backup),
            count=count,
            changed=lambda: self.changed(),
        )
        self._file = PlanFile(plan)
        self._memory = Memory(state) if state is not None else None
        self._siblings = siblings
        self._processes = processes
        self._incarnation = secrets.token_hex(8)

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow plans for the time of a `with`."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            self.follower.stop()

    def take(self, plan: ModelPlan) -> None:
        """Follow this plan, and remember it. Raises Outdated, Foreign."""
        if self.follower.take(plan) and self._memory is not None:
            self._memory.keep(plan)

    @property
    def trouble(self) -> tuple[str, str] | None:
        """Reason and message, where nobody answers."""
        if self.follower.plan is None:
            return "NoPlan", self._file.problem or "no model plan has come yet"
        return self.follower.trouble

    def report(self, *, ready: bool) -> Report:
        """What the pod says of itself."""
        answering = self.follower.answering
        return Report(
            pod=socket.gethostname(),
            incarnation=self._incarnation,
            serial=self.follower.serial,
            processes=self._processes,
            ready=ready,
            answering=answering.active,
            fallback=answering.fallback,
            held=self.follower.held(),
        )

    async def _follow(self) -> None:
        first = [self._file.look(), self._memory.recall() if self._memory else None]
        known = [one for one in first if one is not None]
        known += await of_siblings(self._siblings)
        if (plan := latest(known)) is not None:
            self._offer(plan)
        self.changed()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (plan := self._file.look()) is not None:
                self._offer(plan)
            elif self.follower.plan is None:
                for plan in await of_siblings(self._siblings):
                    self._offer(plan)
                self.changed()

    def _offer(self, plan: ModelPlan) -> None:
        """Follow the plan if it is a later one."""
        try:
            self.take(plan)
        except Outdated as error:
            _log.info("a plan is passed over: %s", error)
        except Foreign as error:
            _log.error("a plan is passed over: %s", error)
