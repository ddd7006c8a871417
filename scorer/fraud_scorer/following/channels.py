"""Where plans come from besides pushes: the mounted file, what was followed before, siblings.

The file is looked at every two seconds, by its content: the kubelet swaps a symbolic link. What was
followed is kept beside the files, so that a container that is started anew does not fall behind
what its pod has confirmed, whatever the mounted file says by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.plan import ModelPlan, PlanError
from fraud_scorer.following.siblings import Siblings
from fraud_scorer.following.threads import in_thread

LOOK_SECONDS = 2.0
_SIBLINGS_SECONDS = 1.0

_log = logging.getLogger(__name__)


class PlanFile:
    """The mounted plan."""

    def __init__(self, path: Path) -> None:
        self.problem = ""
        """Why there is no plan in it; empty where there is."""
        self._path = path
        self._seen: bytes | None = None

    def look(self) -> ModelPlan | None:
        """The plan, where it is another one than at the last look."""
        try:
            data = self._path.read_bytes()
        except OSError as error:
            self._seen = None
            self._say(f"cannot read the model plan {self._path}: {error.strerror}")
            return None
        if data == self._seen:
            return None
        self._seen = data
        try:
            plan = plans.decode(data)
        except PlanError as error:
            self._say(f"{self._path}: {error}")
            return None
        self.problem = ""
        return plan

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            _log.warning(problem)
        self.problem = problem


class Memory:
    """The plan that was followed last, beside the files of its revisions."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "plan.json"

    def recall(self) -> ModelPlan | None:
        """What was kept, if that is a plan."""
        if not self._path.exists():
            return None
        try:
            return plans.read(self._path)
        except PlanError as error:
            _log.warning("what was followed before is lost: %s", error)
            return None

    def keep(self, plan: ModelPlan) -> None:
        """Keep this one. A disk that is full costs the memory, and nothing else."""
        arriving = self._path.with_name(f"{self._path.name}.partial")
        try:
            arriving.write_text(plans.encode(plan), encoding="utf-8")
            arriving.replace(self._path)
        except OSError as error:
            _log.error("the plan cannot be kept: %s: %s", self._path, error.strerror)


async def of_siblings(siblings: Siblings | None) -> list[ModelPlan]:
    """The plans that they follow, as far as they say so within a second."""
    if siblings is None:
        return []
    found: list[ModelPlan] = []

    async def ask(one: Callable[[], ModelPlan | None]) -> None:
        if plan := await in_thread(one):
            found.append(plan)

    async def ask_all() -> None:
        every = await in_thread(siblings.all)
        await asyncio.gather(*(ask(one.plan) for one in every))

    try:
        await asyncio.wait_for(ask_all(), _SIBLINGS_SECONDS)
    except TimeoutError:
        _log.info("not all siblings answer in time")
    return found


def latest(candidates: list[ModelPlan]) -> ModelPlan | None:
    """The one to begin with: the greatest serial of those for the first one's detector."""
    if not candidates:
        return None
    detector = candidates[0].detector
    own = [one for one in candidates if one.detector == detector]
    return max(own, key=lambda one: one.serial)
