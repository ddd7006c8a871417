"""A transaction is answered once, whoever is asked, and its id stands for one request."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fraud_scorer.decisions.claims import IN_PROGRESS, MOST_TOGETHER, NEW, OTHER, SAME, Claim
from tests.stores.decisions.claiming import BODY, OTHER_BODY, pod
from tests.support.redis import PASSWORD, RedisServer

ROOT = Path(__file__).parents[3]
ANSWER = b'{"decision":"approve"}\x00\xff'
"""Any bytes are kept as they are."""


def commands(redis: RedisServer) -> dict[str, int]:
    """How often each command has run, those of scripts included."""
    stats = redis.client().info("commandstats")
    return {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}


def stored(redis: RedisServer, claim: Claim) -> bytes:
    """What Redis has for it."""
    found = redis.client().get(claim.key)
    assert isinstance(found, bytes)
    return found


async def test_a_repeated_request_gets_the_stored_answer_also_elsewhere(
    redis_server: RedisServer,
) -> None:
    async with pod(redis_server.address) as one, pod(redis_server.address) as other:
        first = await one.claim("tx-1")
        await one.settle(first, ANSWER)
        again = [await one.claim("tx-1"), await other.claim("tx-1")]

    assert first.outcome is NEW
    assert [claim.outcome for claim in again] == [SAME, SAME]
    assert [claim.answer for claim in again] == [ANSWER, ANSWER]


async def test_an_answer_is_kept_for_an_hour_from_when_it_was_given(
    redis_server: RedisServer,
) -> None:
    async with pod(redis_server.address) as one:
        claim = await one.claim("tx-1")
        redis_server.client().pexpire(claim.key, 1000)
        await one.settle(claim, ANSWER)

    assert 3_500_000 < redis_server.client().pttl(claim.key) <= 3_600_000


@pytest.mark.parametrize("state", ["pending", "abandoned", "settled"])
async def test_another_request_under_the_same_id_is_never_answered(
    redis_server: RedisServer, state: str
) -> None:
    lease = 0.001 if state == "abandoned" else 60.0
    async with pod(redis_server.address, lease=lease) as one:
        first = await one.claim("tx-1")
        if state == "settled":
            await one.settle(first, ANSWER)
        other = await one.claim("tx-1", OTHER_BODY)
        await one.settle(other, b"nobody should see this")
        again = await one.claim("tx-1", OTHER_BODY)
        await one.settle(first, ANSWER)
        same = await one.claim("tx-1")

    assert (other.outcome, again.outcome) == (OTHER, OTHER)
    assert (other.answer, again.answer) == (b"", b"")
    assert (same.outcome, same.answer) == (SAME, ANSWER)


async def test_who_repeats_a_request_that_is_being_answered_gets_its_answer(
    redis_server: RedisServer,
) -> None:
    async with pod(redis_server.address) as one, pod(redis_server.address) as other:
        first = await one.claim("tx-1")
        before = commands(redis_server)["evalsha"]
        waiting = other.start("tx-1")
        while commands(redis_server)["evalsha"] < before + 2:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0)
        assert not waiting.done()
        await one.settle(first, ANSWER)
        again = await waiting

    assert (again.outcome, again.answer) == (SAME, ANSWER)


async def test_another_is_not_waited_for_long(redis_server: RedisServer) -> None:
    async with pod(redis_server.address, wait=0.02) as one:
        await one.claim("tx-1")
        again = await one.claim("tx-1")
        await one.settle(again, b"of one who did not wait")
        still = await one.claim("tx-1")

    assert again.outcome is IN_PROGRESS
    assert still.outcome is IN_PROGRESS, "the claim is still another's"


async def test_a_claim_whose_pod_died_is_taken_over(redis_server: RedisServer) -> None:
    async with pod(redis_server.address, lease=0.05) as one:
        dead = await one.claim("tx-1")
        async with pod(redis_server.address, lease=0.05) as other:
            taken = await other.claim("tx-1")
            # It was not dead, only slow.
            await one.settle(dead, b"too late")
            await other.settle(taken, ANSWER)
            await one.settle(dead, b"much too late")
            again = await one.claim("tx-1")

    assert taken.outcome is NEW
    assert (again.outcome, again.answer) == (SAME, ANSWER)


async def test_a_refused_request_may_be_mended(redis_server: RedisServer) -> None:
    async with pod(redis_server.address) as one:
        refused = await one.claim("tx-1")
        one.claims.release(refused)
        mended = await one.claim("tx-1", OTHER_BODY)
        one.claims.release(refused)
        await one.settle(mended, ANSWER)
        one.claims.release(mended)
        again = await one.claim("tx-1", OTHER_BODY)

    assert mended.outcome is NEW
    assert (again.outcome, again.answer) == (SAME, ANSWER)


async def test_one_transaction_twice_in_a_turn_is_answered_once(redis_server: RedisServer) -> None:
    async with pod(redis_server.address) as one:
        first, second, third = one.start("tx-1"), one.start("tx-1"), one.start("tx-1", OTHER_BODY)
        claim = await first
        await one.settle(claim, ANSWER)
        again = await second

    assert claim.outcome is NEW
    assert (again.outcome, again.answer) == (SAME, ANSWER)
    assert third.result().outcome is OTHER


async def test_a_turn_is_one_call(redis_server: RedisServer) -> None:
    async with pod(redis_server.address) as one:
        claims = await asyncio.gather(*(one.claim(f"tx-{n}") for n in range(16)))
        before = commands(redis_server)
        for claim in claims:
            one.claims.settle(claim, ANSWER)
        new = await asyncio.gather(*[one.start(f"tx-{n}") for n in range(16, 32)])
        after = commands(redis_server)

    assert all(claim.outcome is NEW for claim in new)
    cost = {name: after[name] - before.get(name, 0) for name in after}
    assert cost["evalsha"] == cost["mget"] == 1
    assert cost["set"] == 32
    assert not any(cost.get(name) for name in ("get", "pttl", "del", "eval"))


async def test_an_answer_does_not_wait_for_another_claim_for_long(
    redis_server: RedisServer,
) -> None:
    async with pod(redis_server.address) as one:
        claim = await one.claim("tx-1")
        one.claims.settle(claim, ANSWER)
        while stored(redis_server, claim).startswith(b"P"):  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.001)


async def test_the_last_answers_of_a_process_are_told(redis_server: RedisServer) -> None:
    async with pod(redis_server.address, settled=60.0) as one:
        claims = await asyncio.gather(*(one.claim(f"tx-{n}") for n in range(200)))
        for claim in claims:
            one.claims.settle(claim, ANSWER)

    assert {stored(redis_server, claim)[17:] for claim in claims} == {ANSWER}


async def test_more_than_fit_one_call_are_several(redis_server: RedisServer) -> None:
    number = 3 * MOST_TOGETHER + 1
    async with pod(redis_server.address) as one:
        claims = await asyncio.gather(*(one.claim(f"tx-{n}") for n in range(number)))
        for n, claim in enumerate(claims):
            one.claims.settle(claim, b"%d" % n)
        again = await asyncio.gather(*(one.claim(f"tx-{n}") for n in range(number)))

    assert [claim.answer for claim in again] == [b"%d" % n for n in range(number)]


async def test_detectors_do_not_share_ids(redis_server: RedisServer) -> None:
    async with pod(redis_server.address) as one:
        mine = await one.claim("tx-1")

    assert mine.key == b"claims:cards:tx-1"
    assert redis_server.client().keys("*") == [mine.key]


@pytest.mark.parametrize("body", [BODY[:15], BODY + b"x"])
async def test_a_wrong_fingerprint_is_refused(redis_server: RedisServer, body: bytes) -> None:
    async with pod(redis_server.address) as one:
        with pytest.raises(ValueError, match="16 bytes"):
            await one.claim("tx-1", body)


@pytest.mark.slow
def test_of_processes_that_claim_at_the_same_moment_one_answers(redis_server: RedisServer) -> None:
    number, names = 500, ("a", "b", "c")
    processes = [
        subprocess.Popen(
            [
                sys.executable, "-m", "tests.stores.decisions.claiming", str(redis_server.port),
                redis_server.address.password, name, str(number),
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    got = [json.loads(one.communicate(timeout=60)[0]) for one in processes]

    for n, each in enumerate(zip(*got, strict=True)):
        outcomes = sorted(outcome for outcome, _ in each)
        assert outcomes == ["new", "same", "same"], f"tx-{n}"
        (winner,) = (name for name, one in zip(names, each, strict=True) if one[0] == "new")
        answers = {answer for outcome, answer in each if outcome == "same"}
        assert answers == {f"{winner}'s answer to tx-{n}"}
    assert len({one[0] for each in got for one in each}) == 2


@pytest.mark.slow
async def test_the_claim_of_a_killed_process_is_taken_over(redis_server: RedisServer) -> None:
    dies = (
        "import asyncio, os, signal\n"
        "from tests.stores.decisions.claiming import *\n"
        "async def main():\n"
        f"    address = RedisAddress(LOOPBACK, {redis_server.port}, password='{PASSWORD}')\n"
        "    async with pod(address) as one:\n"
        "        print((await one.claim('tx-1')).outcome.value, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", dies], cwd=ROOT, capture_output=True, text=True
    )
    async with pod(redis_server.address, lease=0.1) as other:
        taken = await other.claim("tx-1")

    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "new\n"), done.stderr
    assert taken.outcome is NEW
