"""How the process ends."""

import asyncio

from fraud_operator.app import _unless


async def test_what_was_told_to_stop_begins_nothing() -> None:
    begun = False

    async def begin() -> None:
        nonlocal begun
        begun = True

    stop = asyncio.Event()
    assert await _unless(stop, begin())
    assert begun
    begun = False
    stop.set()
    assert not await _unless(stop, begin())
    await asyncio.sleep(0)
    assert not begun
