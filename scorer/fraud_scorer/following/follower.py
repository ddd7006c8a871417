"""The parent's side: the plan that this pod follows, and what its processes have confirmed.

    a plan comes -> its files are fetched -> processes hold and prove -> who answers changes
                 \\-> what is withdrawn stops answering, at once

Each change of orders has a number. The pod follows a plan once every process has said the number of
the orders that came from it; only then does the report carry the plan's serial. A process that is
started meanwhile gets its first orders when it asks, and does not listen before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from fraud_scorer.artifact.plan import ModelPlan, PlannedModel
from fraud_scorer.artifact.report import Counts, Held
from fraud_scorer.following.answering import State, decide
from fraud_scorer.following.blobs import Blobs
from fraud_scorer.following.fetching import Fetching
from fraud_scorer.following.orders import Answering, Following, Hold, Holding, Orders
from fraud_scorer.following.pursuit import Pursuit
from fraud_scorer.registry.refusal import Verdict, refused
from fraud_scorer.tally import since

_MOST_DEATHS = 2
"""So many processes may be killed while they open a revision before it counts as unfit."""

_log = logging.getLogger(__name__)


class Outdated(Exception):
    """A plan that is not later than the one that is followed."""


class Foreign(Exception):
    """A plan of another detector."""


@dataclass
class _Process:
    """What a serving process was told, and said."""

    send: Callable[[Orders], None]
    obeys: int = 0
    """The number of the last orders that it confirmed."""
    armed: bool = False
    """Whether it has, or had, all that it needs to answer, so that it listens or soon will."""
    held: dict[str, Holding] = field(default_factory=dict)


class Follower:
    """Follows plans. Used from the event loop's thread only."""

    def __init__(
        self,
        blobs: Blobs,
        fetching: Fetching,
        *,
        count: Callable[[], Mapping[str, Counts]],
        changed: Callable[[], None],
    ) -> None:
        """`count` gives what was counted so far, by revision. `changed` is called whenever the pod
        may be ready that was not, or the other way about."""
        self.plan: ModelPlan | None = None
        """The one that was taken last."""
        self.serial = 0
        """Of the plan that every process follows."""
        self.answering = Answering()
        self._blobs = blobs
        self._fetching = fetching
        self._count = count
        self._changed = changed
        self._pursuits: dict[str, Pursuit] = {}
        self._processes: dict[int, _Process] = {}
        self._deaths: dict[str, int] = {}
        self._orders = Orders(number=0, detector="", answering=self.answering, hold=())
        self._settled: tuple[int, Answering] = (0, self.answering)
        self._baseline: Mapping[str, Counts] = {}
        self._waiting: list[asyncio.Future[None]] = []

    # ---- plans

    def take(self, plan: ModelPlan) -> bool:
        """Follow this plan from now on; False where it is followed already.

        Raises Outdated where another one is later, and Foreign.
        """
        if self.plan is not None:
            if plan.detector != self.plan.detector:
                raise Foreign(
                    f"this is a plan of detector {plan.detector}, and this pod is one of"
                    f" {self.plan.detector}"
                )
            if plan.serial < self.plan.serial:
                raise Outdated(
                    f"this plan has serial {plan.serial}, and the pod follows {self.plan.serial}"
                )
            if plan.serial == self.plan.serial:
                if plan.checksum != self.plan.checksum:
                    raise Outdated(
                        f"the pod follows another plan with serial {plan.serial} (checksum"
                        f" {self.plan.checksum}): give a later plan a greater serial"
                    )
                return False
        self.plan = plan
        self._pursue(plan)
        self._order()
        _log.info("following a plan", extra={"serial": plan.serial, **_told(self.answering)})
        return True

    async def followed(self, seconds: float) -> None:
        """Wait until every process follows the plan that was taken last, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.plan is not None and self.serial != self.plan.serial:
                    settled = asyncio.get_running_loop().create_future()
                    self._waiting.append(settled)
                    await settled

    # ---- processes

    def hello(self, place: int, send: Callable[[Orders], None]) -> None:
        """A process has started, and asks for its orders."""
        self._processes[place] = _Process(send)
        send(self._orders)

    def heard(self, place: int, following: Following) -> None:
        """A process says which orders it obeys, and what it holds."""
        process = self._processes.get(place)
        if process is None:
            return
        process.obeys, process.armed = following.number, following.armed
        process.held = {one.revision: one for one in following.held}
        for one in following.held:
            pursuit = self._pursuits.get(one.revision)
            if pursuit is None or pursuit.attempt != one.attempt:
                continue
            if one.state == "Refused" and one.verdict is not None and pursuit.verdict is None:
                pursuit.refused(one.verdict)
            elif one.state == "Failed" and pursuit.have:
                for sha256 in _digests(pursuit.model):
                    self._blobs.doubt(sha256)
                pursuit.failed(one.message)
        self._order()

    def gone(self, place: int, *, killed: bool) -> None:
        """A process has ended; `killed`: not by its own doing."""
        process = self._processes.pop(place, None)
        for one in process.held.values() if process and killed else ():
            if one.state == "Loading":
                self._died(one.revision)
        self._order()

    # ---- what there is to say

    @property
    def trouble(self) -> tuple[str, str] | None:
        """Reason and message, where nobody answers."""
        if self.plan is None or self.answering.answers:
            return None
        if self.plan.active is None:
            return "NoActiveModel", "the plan names no model to answer, and no decision without one"
        wanted = self.plan.active
        held = self._held(wanted)
        if held.reason:
            return held.reason, held.message
        return "Loading", f"version {wanted.version} is being fetched and proven"

    def held(self) -> tuple[Held, ...]:
        """Every revision of the plan, as it stands with it in this pod."""
        if self.plan is None:
            return ()
        now = self._count()
        return tuple(
            msgspec.structs.replace(
                self._held(one),
                counts=since(now.get(one.revision, Counts()), self._baseline.get(one.revision)),
            )
            for one in self.plan.models
        )

    def file(self, sha256: str) -> bool:
        """Whether that file is of a revision that the pod holds."""
        return any(
            pursuit.have and sha256 in _digests(pursuit.model)
            for pursuit in self._pursuits.values()
        )

    def stop(self) -> None:
        """Pursue nothing any more."""
        for pursuit in self._pursuits.values():
            pursuit.stop()

    def _held(self, model: PlannedModel) -> Held:
        pursuit = self._pursuits[model.revision]
        held = Held(
            revision=model.revision,
            version=model.version,
            digest=model.digest,
            state=self._state(pursuit),
        )
        if verdict := pursuit.verdict:
            return msgspec.structs.replace(
                held,
                reason=verdict.reason,
                file=verdict.file,
                expected=verdict.expected,
                actual=verdict.actual,
                message=verdict.message,
            )
        if pursuit.trouble and held.state != "Proven":
            reason, message = pursuit.trouble
            return msgspec.structs.replace(held, reason=reason, message=message)
        return held

    def _state(self, pursuit: Pursuit) -> State:
        if pursuit.verdict is not None:
            return "Refused"
        proven = self._proven(pursuit.model.revision)
        if proven and all(
            process in proven for process in self._processes.values() if process.armed
        ):
            return "Proven"
        return "Waiting" if pursuit.trouble is not None else "Loading"

    def _proven(self, revision: str) -> list[_Process]:
        """The processes that have proven it for themselves."""
        return [
            process
            for process in self._processes.values()
            if (one := process.held.get(revision)) and one.state == "Proven"
        ]

    # ---- how it is done

    def _pursue(self, plan: ModelPlan) -> None:
        """Go after what the plan names, and after nothing else."""
        wanted = {one.revision: one for one in plan.models}
        for revision in [one for one in self._pursuits if one not in wanted]:
            self._pursuits.pop(revision).stop()
            self._deaths.pop(revision, None)
        for revision, model in wanted.items():
            if revision in self._pursuits:
                self._pursuits[revision].again()
                continue

            def fetch(model: PlannedModel = model) -> None:
                self._fetching.fetch(model, plan.store, plan.backup)

            self._pursuits[revision] = pursuit = Pursuit(model, fetch, self._order)
            pursuit.begin()

    def _order(self) -> None:
        """Tell the processes what follows from what is known now, where that is something new."""
        if self.plan is None:
            return
        states = {revision: self._state(one) for revision, one in self._pursuits.items()}
        serving = any(process.armed for process in self._processes.values())
        before, self.answering = (
            self.answering,
            decide(self.plan, states, self.answering, serving=serving),
        )
        orders = Orders(
            number=self._orders.number,
            detector=self.plan.detector,
            answering=self.answering,
            hold=tuple(self._holds(self.plan.models)),
        )
        if orders != self._orders:
            self._orders = msgspec.structs.replace(orders, number=orders.number + 1)
            for process in self._processes.values():
                process.send(self._orders)
        self._settle()
        if before != self.answering:
            _log.info("others answer", extra=_told(self.answering))
        self._changed()

    def _holds(self, models: Iterable[PlannedModel]) -> Iterable[Hold]:
        for model in models:
            pursuit = self._pursuits[model.revision]
            if pursuit.verdict is not None:
                continue
            # What is proven stays, also while its file is fetched anew for another process.
            if pursuit.have or self._proven(model.revision):
                yield Hold(
                    model,
                    str(self._blobs.path(model.manifest.sha256)),
                    str(self._blobs.path(model.model.sha256)),
                    pursuit.attempt,
                )

    def _settle(self) -> None:
        """See whether every process obeys the latest orders."""
        if self.plan is None or any(
            process.obeys != self._orders.number for process in self._processes.values()
        ):
            return
        settled = (self.plan.serial, self.answering)
        if settled != self._settled:
            self._settled = settled
            self._baseline = dict(self._count())
            self.serial = self.plan.serial
            with contextlib.suppress(OSError):  # what is left over is in nobody's way
                self._blobs.keep_only(
                    [sha256 for one in self.plan.models for sha256 in _digests(one)]
                )
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    def _died(self, revision: str) -> None:
        """A process was killed while it opened that revision: by what is in it, or by chance."""
        self._deaths[revision] = deaths = self._deaths.get(revision, 0) + 1
        pursuit = self._pursuits.get(revision)
        if pursuit is not None and deaths >= _MOST_DEATHS:
            pursuit.refused(_deadly(pursuit.model))


def _deadly(model: PlannedModel) -> Verdict:
    return refused(
        model,
        "LoadFailed",
        model.model.path,
        f"{_MOST_DEATHS} serving processes were killed while they opened it: give the pods more"
        " memory if it is a large one, else publish the model again under a new version",
        expected="a model that can be opened",
        actual="the process was killed",
    ).verdict


def _digests(model: PlannedModel) -> tuple[str, str]:
    return model.manifest.sha256, model.model.sha256


def _told(answering: Answering) -> dict[str, object]:
    """Who answers, for the log."""
    return {
        "active": answering.active,
        "fallback": answering.fallback or "",
        "candidate": answering.candidate,
        "share": answering.share or "",
        "shadow": answering.shadow or "",
        "when_unavailable": answering.when_unavailable or "",
    }
