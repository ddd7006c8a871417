"""Plans reach pods at once, silence is noticed, and where all is settled nobody is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fraud_operator.models import fleet
from fraud_operator.models.fleet import Fleet, Pauses
from fraud_operator.observe.management import DENIED
from fraud_operator.observe.store import Key
from fraud_operator.runtime.kube import WritesForbidden
from fraud_scorer.artifact.plan import Candidate, ModelPlan
from fraud_scorer.artifact.report import Counts
from tests.support.plans import model_plan, revision
from tests.support.scorers import Listening, StandIn

KEY = Key("fraud", "cards")
TOKEN = "a" * 43
QUICK = Pauses(first=0.02, longest=0.1, loading=0.02, waiting=0.05, trial=0.05)


def pod(number: int, *, ready: bool = True, starts: int = 0, **meta: Any) -> dict[str, Any]:
    """As the view keeps it."""
    conditions = [{"type": "Ready", "status": "True"}] if ready else []
    restarted = [{"name": "scorer", "restartCount": starts}] if starts else []
    return {
        "metadata": {
            "name": f"cards-{number}",
            "uid": f"uid-{number}",
            "labels": {"fraudops.io/serving": "true"},
            **meta,
        },
        "status": {
            "podIP": address(number),
            "conditions": conditions,
            "containerStatuses": restarted,
        },
    }


def address(number: int) -> str:
    return f"127.3.0.{number}"


class Bed:
    """Stand-ins, a fleet, and what it told."""

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        self.pods: dict[int, StandIn] = {}
        self.told = 0
        self.met = 0
        """How often of that it was told that a pod does as it should."""
        self.forbidden = False
        self.passed = 0.0
        """Seconds that the test let pass."""
        self.fleet = Fleet(
            self._changed,
            met=self._met,
            may_push=self._may_push,
            port=0,
            pauses=QUICK,
            clock=lambda: self.passed,
        )

    async def stand_in(self, number: int) -> StandIn:
        found = self.pods[number] = StandIn(f"cards-{number}", token=TOKEN)
        await self.listening.listen(address(number), found)
        self.fleet._port = self.listening.port
        return found

    def _changed(self, key: Key) -> None:
        assert key == KEY
        self.told += 1

    def _met(self, key: Key) -> None:
        self._changed(key)
        self.met += 1

    def _may_push(self) -> None:
        if self.forbidden:
            raise WritesForbidden("not the leader")

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not what():  # noqa: ASYNC110 - stand-ins know no event
                await asyncio.sleep(0.005)

    def confirmed(self, serial: int) -> bool:
        states = self.fleet.states(KEY)
        return all(one.report is not None and one.report.serial == serial for one in states)

    def reported(self, number: int, serial: int) -> bool:
        """Whether the fleet knows that this pod follows that plan."""
        (state,) = (one for one in self.fleet.states(KEY) if one.name == f"cards-{number}")
        return state.report is not None and state.report.serial == serial

    def asked(self) -> list[str]:
        return [one for found in self.pods.values() for one in found.asked]

    async def idle(self) -> None:
        """Until nobody attends to any pod."""
        followed = self.fleet._followed[KEY]
        await self.until(
            lambda: all(p.task is None or p.task.done() for p in followed.pods.values())
        )


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    listening = Listening(0)
    bed = Bed(listening)
    yield bed
    await bed.fleet.close()
    await listening.close()


def plan(serial: int, *versions: str, **more: Any) -> ModelPlan:
    return model_plan(serial, *versions, **more)


async def three(bed: Bed) -> list[dict[str, Any]]:
    for number in (1, 2, 3):
        await bed.stand_in(number)
    pods = [pod(number) for number in (1, 2, 3)]
    bed.fleet.see(KEY, pods)
    return pods


async def test_a_plan_reaches_every_pod_and_then_nobody_is_asked(bed: Bed) -> None:
    await three(bed)
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: bed.confirmed(1))
    await bed.idle()
    assert bed.asked() == ["PUT 1"] * 3
    assert bed.told >= 1
    told = bed.told
    bed.fleet.see(KEY, [pod(number) for number in (1, 2, 3)])
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.idle()
    assert bed.asked() == ["PUT 1"] * 3, "a look that finds nothing new asks nobody"
    assert bed.told == told


async def test_a_pod_that_is_heard_first_is_urgent_only_where_it_does_not_as_it_is_told(
    bed: Bed,
) -> None:
    await three(bed)
    bed.pods[3].refused = {"v1": "GoldenMismatch"}
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: bed.told == 3)
    await bed.idle()
    assert bed.met == 2
    bed.pods[3].refused = {}
    bed.fleet.follow(KEY, plan(2, "v2"), TOKEN)
    await bed.until(lambda: bed.told == 6)
    assert bed.met == 2, "what changes at a pod that is known is urgent"


async def test_a_new_plan_is_pushed_to_settled_pods(bed: Bed) -> None:
    await three(bed)
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: bed.confirmed(1))
    await bed.idle()
    bed.fleet.follow(KEY, plan(2, "v2"), TOKEN)
    await bed.until(lambda: bed.confirmed(2))
    assert [one.answered_by for one in bed.pods.values()] == [["v1", "v2"]] * 3


async def test_an_old_plan_that_a_pod_is_ahead_of_changes_nothing(bed: Bed) -> None:
    found = await bed.stand_in(1)
    found.plan = plan(7, "v7")
    bed.fleet.see(KEY, [pod(1)])
    bed.fleet.follow(KEY, plan(3, "v3"), TOKEN)
    await bed.until(lambda: bed.told)
    (state,) = bed.fleet.states(KEY)
    assert state.report is not None
    assert state.report.serial == 7, "it is told which plan the pod follows"
    assert found.answered_by == ["v7"]


async def test_a_pod_that_was_started_anew_is_told_anew(bed: Bed) -> None:
    found = await bed.stand_in(1)
    bed.fleet.see(KEY, [pod(1)])
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: bed.confirmed(1))
    await bed.idle()
    found.restart()
    (state,) = bed.fleet.see(KEY, [pod(1, starts=1)])
    assert state.report is None, "what the old incarnation said holds no more"
    await bed.until(lambda: bed.confirmed(1))
    assert found.asked == ["PUT 1", "PUT 1"]


async def test_a_pod_that_takes_the_place_of_another_is_told(bed: Bed) -> None:
    await bed.stand_in(1)
    bed.fleet.see(KEY, [pod(1)])
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: bed.confirmed(1))
    second = await bed.stand_in(2)
    states = bed.fleet.see(KEY, [pod(2)])
    assert [one.name for one in states] == ["cards-2"]
    await bed.until(lambda: bed.confirmed(1))
    assert second.asked == ["PUT 1"]


@pytest.mark.parametrize("trouble", ["refused", "hangs", "denied"])
async def test_a_pod_that_does_not_confirm_is_news_after_a_second_and_again_when_it_does(
    bed: Bed, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = await three(bed)
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: bed.confirmed(1))
    await bed.idle()
    silent = bed.pods[2]
    if trouble == "refused":
        await bed.listening.hang_up(address(2))
    elif trouble == "hangs":
        silent.hangs = True
        monkeypatch.setattr(fleet, "TRY_SECONDS", 0.05)
    else:
        silent.token = "another"
    bed.fleet.follow(KEY, plan(2, "v2"), TOKEN)
    await bed.until(lambda: bed.fleet.states(KEY)[1].problem)
    await bed.until(lambda: all(pod.plan == plan(2, "v2") for pod in (bed.pods[1], bed.pods[3])))
    await bed.until(lambda: bed.reported(1, 2) and bed.reported(3, 2))
    told = bed.told
    tries = len(silent.asked)
    if trouble != "refused":  # then it is not even asked
        await bed.until(lambda: len(silent.asked) > tries)
    assert bed.told == told, "a pod may be silent for a moment"
    bed.passed += 1
    await bed.until(lambda: bed.told > told)
    one, two, three_ = bed.fleet.states(KEY)
    assert two.unreached_seconds >= 1
    assert two.problem
    assert two.report is not None
    assert two.report.serial == 1
    assert all(state.report and state.report.serial == 2 for state in (one, three_))
    told = bed.told
    if trouble == "refused":
        await bed.listening.listen(address(2), silent)
    silent.hangs, silent.token = False, TOKEN
    await bed.until(lambda: bed.confirmed(2))
    await bed.until(lambda: bed.told > told)
    (_, two, _) = bed.fleet.see(KEY, pods)
    assert (two.unreached_seconds, two.problem) == (0.0, "")


async def test_a_later_token_is_taken_at_once(bed: Bed) -> None:
    found = await bed.stand_in(1)
    found.token = "later"
    bed.fleet.see(KEY, [pod(1)])
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: bed.fleet.states(KEY)[0].problem)
    assert bed.fleet.states(KEY)[0].problem == DENIED
    bed.fleet.follow(KEY, plan(1, "v1"), "later")
    await bed.until(lambda: bed.confirmed(1))


async def test_what_loads_is_asked_until_it_is_proven(bed: Bed) -> None:
    found = await bed.stand_in(1)
    found.loading = {"v2"}
    bed.fleet.see(KEY, [pod(1)])
    held = plan(1, "v1", candidate=Candidate(model=revision("v2")))
    bed.fleet.follow(KEY, held, TOKEN)
    await bed.until(lambda: found.asked.count("GET") > 3)
    told = bed.told
    found.loading = set()
    await bed.until(lambda: bed.told > told)
    (state,) = bed.fleet.states(KEY)
    assert state.report is not None
    assert {one.state for one in state.report.held} == {"Proven"}


async def test_a_refusal_is_told_and_then_nobody_is_asked(bed: Bed) -> None:
    found = await bed.stand_in(1)
    found.refused = {"v2": "GoldenMismatch"}
    bed.fleet.see(KEY, [pod(1)])
    held = plan(1, "v1", candidate=Candidate(model=revision("v2")))
    bed.fleet.follow(KEY, held, TOKEN)
    await bed.until(lambda: bed.told)
    await bed.idle()
    assert found.asked == ["PUT 1"]


async def test_a_trial_is_counted(bed: Bed) -> None:
    found = await bed.stand_in(1)
    bed.fleet.see(KEY, [pod(1)])
    trial = plan(1, "v1", candidate=Candidate(model=revision("v2"), share=100))
    bed.fleet.follow(KEY, trial, TOKEN)
    await bed.until(lambda: bed.confirmed(1))
    told = bed.told
    bed.passed += QUICK.trial
    found.counts["v2"] = Counts(requests=5, errors=1)
    await bed.until(lambda: bed.told > told)
    (state,) = bed.fleet.states(KEY)
    assert state.report is not None
    (counts,) = (one.counts for one in state.report.held if one.version == "v2")
    assert counts is not None
    assert counts.errors == 1


async def test_pods_that_cannot_be_asked_are_left_alone(bed: Bed) -> None:
    await bed.stand_in(1)
    waiting, ended = pod(1), pod(2)
    del waiting["status"]["podIP"]
    ended["status"]["phase"] = "Failed"
    assert bed.fleet.see(KEY, [waiting, ended]) == ()
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    assert bed.asked() == []


async def test_a_pod_that_is_going_is_told_but_not_waited_for(bed: Bed) -> None:
    found = await bed.stand_in(1)
    states = bed.fleet.see(KEY, [pod(1, deletionTimestamp="2026-01-01T00:00:00Z")])
    assert states == ()
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(lambda: found.asked == ["PUT 1"])


async def test_who_does_not_lead_pushes_nothing(bed: Bed) -> None:
    await three(bed)
    bed.forbidden = True
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await asyncio.sleep(0.05)
    assert bed.asked() == []
    assert bed.told == 0


async def test_a_detector_that_is_gone_is_forgotten(bed: Bed) -> None:
    await bed.stand_in(1)
    await bed.listening.hang_up(address(1))
    bed.fleet.see(KEY, [pod(1)])
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    bed.fleet.forget(KEY)
    assert bed.fleet.states(KEY) == ()


async def test_a_large_fleet_is_told_side_by_side_though_pods_of_it_hang(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody's silence ends: who is told after a pod that hangs is never told.
    monkeypatch.setattr(fleet, "TRY_SECONDS", 3600)
    for number in range(1, 101):
        found = await bed.stand_in(number)
        found.hangs = number % 3 == 0
    bed.fleet.see(KEY, [pod(number) for number in range(1, 101)])
    bed.fleet.follow(KEY, plan(1, "v1"), TOKEN)
    await bed.until(
        lambda: all(found.plan or (found.hangs and found.asked) for found in bed.pods.values())
    )
    hanging = [found for found in bed.pods.values() if found.hangs]
    assert [found.asked for found in hanging] == [["PUT 1"]] * 33
    assert not any(found.plan for found in hanging)
