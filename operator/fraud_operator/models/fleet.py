"""Tells scorer pods which model plan to follow, and hears what they hold.

A plan is pushed to every pod that has not confirmed it: at once, all pods side by side, and again
with growing pauses to those that could not be reached. A pod that was started anew is told anew.
While something is unsettled (a pod loads a revision, a candidate is on trial) pods are asked for
their reports; where everything is confirmed and settled, nothing is asked at all.

Pods are infrastructure, so nothing here decides: what a pod said, and for how long it has said
nothing, is what `states` gives. A push is a write, and is sent by the leader only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

from fraud_operator.observe.management import DENIED
from fraud_operator.observe.store import Key
from fraud_operator.plan.children import SERVING_LABEL
from fraud_operator.plan.pod_template import CONTAINER, MANAGEMENT_PORT
from fraud_operator.plan.types import PodState
from fraud_operator.runtime import metrics
from fraud_operator.runtime.kube import WritesForbidden
from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact import report as reports
from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.report import Report

log = logging.getLogger(__name__)

TRY_SECONDS = 1.0
SILENT_SECONDS = 1.0
"""For how long a pod may leave a push unconfirmed before that is news."""
_AT_ONCE = 256
_LONGEST_REPORT = 4 << 20
_TRIALS_A_SECOND = 20.0
_SAID = 300
"""Characters of a pod's refusal that are kept."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between two requests to one pod."""

    first: float = 0.1
    """After a try that failed; doubled each time."""
    longest: float = 10.0
    loading: float = 0.25
    waiting: float = 5.0
    """While it cannot have what it is to hold, or answers with another revision than it should."""
    trial: float = 2.0
    """While a candidate is on trial; longer in a large fleet."""


@dataclass(eq=False, slots=True)
class _Pod:
    """One pod, as it was last heard of."""

    name: str
    uid: str
    address: str
    starts: int
    """How often its container was started again."""
    ready: bool
    serving: bool
    leaving: bool
    report: Report | None = None
    failing_since: float | None = None
    problem: str = ""
    told: bool = False
    """Whether it is known to `changed` that the pod is failing."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclass(eq=False, slots=True)
class _Followed:
    """One detector's pods, and what they are to follow."""

    pods: dict[str, _Pod] = field(default_factory=dict)
    """By uid."""
    plan: ModelPlan | None = None
    body: bytes = b""
    token: str = ""
    counted_at: float = 0.0
    """When `changed` was last told of nothing but counts."""


class _Unconfirmed(Exception):
    """A try that did not end in a report; the message says why."""

    def __init__(self, problem: str, result: str) -> None:
        super().__init__(problem)
        self.result = result


class Fleet:
    """The scorer pods of all detectors.

    `changed` is told the key of which something is to be decided anew: at once, and of counts
    alone only now and then. `met` is told instead where a pod does as it was told the first time
    that it is heard: what follows from that follows no sooner than its Deployment counts it.
    `may_push` is called before every push and raises WritesForbidden to
    prevent it.
    """

    def __init__(
        self,
        changed: Callable[[Key], None],
        *,
        met: Callable[[Key], None] | None = None,
        may_push: Callable[[], None] = lambda: None,
        port: int = MANAGEMENT_PORT,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
    ) -> None:
        self._changed = changed
        self._met = met or changed
        self._may_push = may_push
        self._port = port
        self._pauses = pauses or Pauses()
        self._clock = clock
        self._rng = rng or Random()  # noqa: S311 - spreads retries, keeps no secret
        self._followed: dict[Key, _Followed] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    def see(self, key: Key, pods: Iterable[Mapping[str, Any]]) -> tuple[PodState, ...]:
        """Take in which pods there are now; what is known of each that is not going."""
        followed = self._followed.setdefault(key, _Followed())
        seen = {pod.uid: pod for pod in map(_pod, pods) if pod is not None}
        for uid in followed.pods.keys() - seen.keys():
            _stop(followed.pods.pop(uid))
        for uid, now in seen.items():
            known = followed.pods.setdefault(uid, now)
            if known is not now and _take_in(known, now):
                known.woken.set()
        self._attend_all(key, followed)
        return self.states(key)

    def follow(self, key: Key, plan: ModelPlan, token: str) -> None:
        """From now on the pods of `key` are to follow `plan`, which is persisted already."""
        followed = self._followed.setdefault(key, _Followed())
        if token and token != followed.token:
            followed.token = token
            self._wake(followed)
        if plan != followed.plan:
            followed.plan = plan
            followed.body = model_plans.encode(plan).encode()
            self._wake(followed)
        self._attend_all(key, followed)

    def states(self, key: Key) -> tuple[PodState, ...]:
        """What is known of each pod that is not going, by name."""
        followed = self._followed.get(key, _Followed())
        present = [pod for pod in followed.pods.values() if not pod.leaving]
        return tuple(self._state(pod) for pod in sorted(present, key=lambda pod: pod.name))

    def forget(self, key: Key) -> None:
        """The detector is gone, or is to be left alone."""
        followed = self._followed.pop(key, None)
        if followed is not None:
            for pod in followed.pods.values():
                _stop(pod)

    async def close(self) -> None:
        """Tell nobody anything any more."""
        followed = self._followed.values()
        tasks = [pod.task for one in followed for pod in one.pods.values() if pod.task]
        for key in list(self._followed):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _state(self, pod: _Pod) -> PodState:
        since = pod.failing_since
        return PodState(
            name=pod.name,
            uid=pod.uid,
            ready=pod.ready,
            serving=pod.serving,
            report=pod.report,
            unreached_seconds=0.0 if since is None else self._clock() - since,
            problem=pod.problem,
        )

    def _wake(self, followed: _Followed) -> None:
        """What is told is another thing now: of a pod that stays silent it is news once more."""
        for pod in followed.pods.values():
            pod.told = False
            pod.woken.set()

    def _attend_all(self, key: Key, followed: _Followed) -> None:
        """Have somebody attend to every pod that is not settled."""
        if followed.plan is None or not followed.token:
            return
        for pod in followed.pods.values():
            idle = pod.task is None or pod.task.done()
            if idle and (pod.woken.is_set() or self._pause(followed, pod) is not None):
                # A context of its own: its logs are not those of the reconciliation that began it.
                pod.task = asyncio.create_task(
                    self._attend(key, followed, pod), name=f"pod {pod.name}", context=Context()
                )

    async def _attend(self, key: Key, followed: _Followed, pod: _Pod) -> None:
        """Push to the pod and ask it, until it is settled."""
        failures = 0
        while True:
            pod.woken.clear()
            failed = not await self._try(key, followed, pod)
            failures = failures + 1 if failed else 0
            pause = self._after_failure(pod, failures) if failed else self._pause(followed, pod)
            if pause is None and not pod.woken.is_set():
                return
            try:
                async with asyncio.timeout(pause):
                    await pod.woken.wait()
                failures = 0
            except TimeoutError:
                pass

    async def _try(self, key: Key, followed: _Followed, pod: _Pod) -> bool:
        """One push or question; whether the pod follows the plan (or a later one) now."""
        plan, began, before = followed.plan, self._clock(), pod.report
        assert plan is not None, "attended without a plan"  # noqa: S101 - see _attend_all
        try:
            report = await self._ask(followed, pod, push=not _confirmed(pod.report, plan))
        except WritesForbidden:
            return False
        except _Unconfirmed as error:
            return self._failed(key, pod, str(error), began)
        pod.report = report
        if followed.plan is plan and report.serial < plan.serial:
            problem = f"it follows plan {report.serial} and not {plan.serial}"
            return self._failed(key, pod, problem, began)
        pod.failing_since, pod.problem, pod.told = None, "", False
        self._tell(key, followed, before, report)
        return True

    def _failed(self, key: Key, pod: _Pod, problem: str, began: float) -> bool:
        pod.problem = problem
        if pod.failing_since is None:
            pod.failing_since = began
        if not pod.told and self._clock() - pod.failing_since >= SILENT_SECONDS:
            pod.told = True
            log.info("pod %s does not confirm: %s", pod.name, problem, extra={"key": str(key)})
            self._changed(key)
        return False

    def _tell(self, key: Key, followed: _Followed, before: Report | None, now: Report) -> None:
        if before is None and _is_settled(now):
            self._met(key)
        elif before is None or _but_counts(before) != _but_counts(now):
            self._changed(key)
        elif before != now and self._clock() - followed.counted_at >= self._pauses.trial:
            followed.counted_at = self._clock()
            self._changed(key)

    def _after_failure(self, pod: _Pod, failures: int) -> float:
        """Not past the moment at which the failing becomes news."""
        grown = self._pauses.first * float(2 ** min(failures - 1, 16))
        pause = min(grown, self._pauses.longest)
        pause *= 0.75 + 0.5 * self._rng.random()
        if pod.failing_since is not None and not pod.told:
            left = pod.failing_since + SILENT_SECONDS - self._clock()
            pause = min(pause, max(left, 0.01))
        return pause

    def _pause(self, followed: _Followed, pod: _Pod) -> float | None:
        """Until the pod is to be asked again; None where it is settled."""
        plan, report, pauses = followed.plan, pod.report, self._pauses
        if plan is None:
            return None
        if not _confirmed(report, plan) or report is None:
            return 0.0
        if report.serial > plan.serial:
            return pauses.waiting
        wanted = {model.revision for model in plan.models}
        states = {held.state for held in report.held if held.revision in wanted}
        if "Loading" in states:
            return pauses.loading
        if plan.candidate is not None and "Refused" not in states:
            return max(pauses.trial, len(followed.pods) / _TRIALS_A_SECOND)
        if "Waiting" in states or report.fallback:
            return pauses.waiting
        return None

    async def _ask(self, followed: _Followed, pod: _Pod, *, push: bool) -> Report:
        """PUT the plan, or GET the report. Raises _Unconfirmed and WritesForbidden."""
        verb = "PUT" if push else "GET"
        async with self._at_once:
            if push:
                self._may_push()
            try:
                report = await self._request(verb, followed, pod)
            except _Unconfirmed as error:
                metrics.FLEET_REQUESTS.labels(verb, error.result).inc()
                raise
        metrics.FLEET_REQUESTS.labels(verb, "ok").inc()
        return report

    async def _request(self, verb: str, followed: _Followed, pod: _Pod) -> Report:
        host = f"[{pod.address}]" if ":" in pod.address else pod.address
        try:
            async with self._opened().request(
                verb,
                f"http://{host}:{self._port}{reports.PATH}",
                data=followed.body if verb == "PUT" else None,
                headers={
                    "Authorization": f"Bearer {followed.token}",
                    "Content-Type": "application/json",
                },
                timeout=aiohttp.ClientTimeout(total=TRY_SECONDS),
                allow_redirects=False,
            ) as response:
                content = await response.content.read(_LONGEST_REPORT)
        except TimeoutError:
            raise _Unconfirmed(f"no answer within {TRY_SECONDS:g} s", "silence") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Unconfirmed(str(error) or type(error).__name__, "unreachable") from None
        if response.status == 409 and verb == "PUT":
            return await self._request("GET", followed, pod)  # a later plan: which, it tells
        if response.status in (401, 403):
            raise _Unconfirmed(DENIED, str(response.status))
        if response.status != 200:
            said = content[:_SAID].decode(errors="replace").strip()
            raise _Unconfirmed(f"it answers {response.status}: {said}", str(response.status))
        try:
            return reports.decode(content)
        except ValueError as error:
            raise _Unconfirmed(str(error), "unreadable") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15.0),
                headers={"User-Agent": "fraud-operator", "Accept": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _pod(obj: Mapping[str, Any]) -> _Pod | None:
    """None where nobody can be asked: it has no address yet, or has ended."""
    meta, status = obj["metadata"], obj.get("status") or {}
    if not status.get("podIP") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    containers: Sequence[Mapping[str, Any]] = status.get("containerStatuses") or ()
    return _Pod(
        name=meta["name"],
        uid=meta["uid"],
        address=status["podIP"],
        starts=sum(one.get("restartCount", 0) for one in containers if one["name"] == CONTAINER),
        ready=any(
            (one["type"], one["status"]) == ("Ready", "True")
            for one in status.get("conditions") or ()
        ),
        serving=(meta.get("labels") or {}).get(SERVING_LABEL) == "true",
        leaving="deletionTimestamp" in meta,
    )


def _take_in(known: _Pod, now: _Pod) -> bool:
    """Whether that is worth another try at once."""
    anew = (known.address, known.starts) != (now.address, now.starts)
    woken = anew or (now.ready and not known.ready)
    if anew:
        known.report, known.failing_since, known.problem, known.told = None, None, "", False
    known.address, known.starts, known.ready = now.address, now.starts, now.ready
    known.serving, known.leaving = now.serving, now.leaving
    return woken


def _stop(pod: _Pod) -> None:
    if pod.task is not None:
        pod.task.cancel()


def _confirmed(report: Report | None, plan: ModelPlan) -> bool:
    return report is not None and report.serial >= plan.serial


def _is_settled(report: Report) -> bool:
    """Whether it answers with all that it is to hold."""
    return (
        report.ready and not report.fallback and all(one.state == "Proven" for one in report.held)
    )


def _but_counts(report: Report) -> tuple[Any, ...]:
    """What is news whenever it changes."""
    held = (
        (one.revision, one.state, one.reason, one.file, one.expected, one.actual)
        for one in report.held
    )
    parts = (report.incarnation, report.serial, report.ready, report.answering, report.fallback)
    return (*parts, *held)
