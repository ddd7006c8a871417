"""Features in memory are those that training computes of the same events, value by value."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from fraud_scorer.artifact.manifest import Value
from fraud_scorer.features.events import Attribute, Label, Transaction
from fraud_scorer.features.layout import layout
from fraud_scorer.features.offline import Event, replay
from tests.support.histories import (
    DAY,
    EVERYTHING,
    HOUR,
    MINUTE,
    SECOND,
    START,
    number,
    some_days,
    window,
)
from tests.unit.embedded.support import service

COUNT = (number("count_3h", window("count", "3h", "1h", default=-7.0)),)


def rough_days(seed: int) -> list[Event]:
    """Days with transactions that come late and twice, and labels that come early and change."""
    draw = random.Random(seed)
    events: list[Event] = []
    for event in some_days(seed):
        if isinstance(event, Attribute):
            continue  # nobody can tell of one here
        if isinstance(event, Transaction) and draw.random() < 0.1:
            events.append(Label(event.id, event.time, draw.random() < 0.5))
        elif isinstance(event, Transaction) and draw.random() < 0.1:
            event = Transaction(
                event.id, event.time - 5 * HOUR, event.entities, event.amount_minor, event.currency
            )
        events.append(event)
        if draw.random() < 0.1:
            came = [one for one in events if isinstance(one, Transaction)]
            if came:
                events.append(draw.choice(came))
    return events


def trained_on(events: list[Event]) -> list[dict[str, Value]]:
    return list(replay(events, layout(EVERYTHING)))


@pytest.mark.parametrize("seed", range(5))
def test_serving_on_a_laptop_is_training(seed: int, tmp_path: Path) -> None:
    events = rough_days(seed)

    async def served() -> list[dict[str, Value]]:
        async with service(tmp_path / "data", EVERYTHING) as one:
            return await one.replay(events)

    assert asyncio.run(served()) == trained_on(events)


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_changes_no_feature(seed: int, tmp_path: Path) -> None:
    events = rough_days(seed)
    parts = [events[:130], events[130:300], events[300:]]

    async def served() -> list[dict[str, Value]]:
        found = []
        for part in parts:
            async with service(tmp_path / "data", EVERYTHING) as one:
                found += await one.replay(part)
        return found

    known = trained_on(events)
    for at, features in enumerate(asyncio.run(served())):
        repeated = [one for one in events if isinstance(one, Transaction)]
        if repeated[at] in repeated[:at]:
            continue  # its answer is kept; its labels may be other ones by now
        assert features == known[at]


def bought(number: int, customer: str, time: int) -> Transaction:
    return Transaction(f"t-{number}", START + time, {"customer": customer}, 100, "EUR")


def test_another_transaction_of_the_same_id_is_told_nothing(tmp_path: Path) -> None:
    """Its answer may be forgotten sooner than that it was counted: by a restart, for one."""

    async def served() -> None:
        async with service(tmp_path / "data", COUNT) as one:
            for n in range(3):
                await one.answer(bought(n, "a", n))
        async with service(tmp_path / "data", COUNT) as one:
            assert one.ask(bought(2, "a", 2)).values["count_3h"] == 2.0
            other = one.ask(bought(2, "b", 2))
            assert (other.values["count_3h"], other.degraded) == (-7.0, ("features.defaults",))
            assert one.ask(bought(3, "b", 3)).values["count_3h"] == 0.0, "and does not count"

    asyncio.run(served())


def test_who_had_to_go_is_not_known_for_as_long_as_windows_reach_back(tmp_path: Path) -> None:
    async def served() -> None:
        async with service(tmp_path / "data", COUNT, most_entities=2) as one:
            new = one.ask(bought(0, "a", 0))
            assert (new.values["count_3h"], new.degraded) == (0.0, ()), "nobody had to go"
            one.ask(bought(1, "b", MINUTE))
            one.ask(bought(2, "a", 2 * MINUTE))
            one.ask(bought(3, "c", 3 * MINUTE))  # b goes, who was not seen for longest
            kept = one.ask(bought(4, "a", 4 * MINUTE))
            assert (kept.values["count_3h"], kept.degraded) == (2.0, ())
            gone = one.ask(bought(5, "b", 5 * MINUTE))
            assert gone.values["count_3h"] == -7.0
            assert gone.degraded == ("features.defaults",)
            one.ask(bought(6, "a", 6 * MINUTE))
            one.ask(bought(7, "c", 7 * MINUTE))  # b goes again, whom the first hour has twice
            reaches = one.ask(bought(8, "b", 2 * HOUR))
            assert (reaches.values["count_3h"], reaches.degraded) == (-7.0, gone.degraded)
            behind = one.ask(bought(9, "b", 3 * HOUR))
            assert (behind.values["count_3h"], behind.degraded) == (1.0, ()), "all of it is known"

    asyncio.run(served())


@pytest.mark.parametrize("seed", range(3))
def test_with_little_room_a_feature_is_right_or_said_to_be_unknown(
    seed: int, tmp_path: Path
) -> None:
    events = [one for one in rough_days(seed) if isinstance(one, Transaction)]

    async def served() -> int:
        right = 0
        async with service(tmp_path / "data", EVERYTHING, most_entities=4) as one:
            for event, known in zip(events, trained_on(list(events)), strict=True):
                answer = one.ask(event)
                if answer.degraded:
                    assert answer.degraded == ("features.defaults",)
                else:
                    assert dict(answer.values) == known
                    right += 1
        return right

    assert 0 < asyncio.run(served()) < len(events)


def test_a_label_of_who_had_to_go_is_no_part_of_a_history_that_begins_later(tmp_path: Path) -> None:
    declared = EVERYTHING

    async def served() -> None:
        async with service(tmp_path / "data", declared, most_entities=1) as one:
            for index, terminal in enumerate(("t", "u")):
                entities = {"terminal": terminal}
                time = START + index * SECOND
                await one.answer(Transaction(f"t-{index}", time, entities, 1, "EUR"))
            await one.label(Label("t-0", START + MINUTE, fraud=True))
            back = Transaction("t-9", START + DAY, {"terminal": "t"}, 1, "EUR")
            assert one.ask(back).degraded == ("features.defaults",)
            much_later = Transaction("t-10", START + 9 * DAY, {"terminal": "t"}, 1, "EUR")
            assert one.ask(much_later).values["terminal_risk_2d"] == 0.01

    asyncio.run(served())
