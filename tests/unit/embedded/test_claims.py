"""A transaction is answered once, also by who comes while it is, and after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fraud_scorer.decisions.claims import NEW, OTHER, SAME, Claim
from fraud_scorer.embedded.claims import EmbeddedClaims
from fraud_scorer.embedded.data import DataFile

ONE, ANOTHER = b"1" * 16, b"2" * 16


def claimed(claims: EmbeddedClaims, transaction_id: str, fingerprint: bytes) -> list[Claim]:
    """What became of it, once something did."""
    found: list[Claim] = []
    claims.claim(transaction_id, fingerprint, found.append)
    return found


def test_who_repeats_a_request_waits_for_its_answer(tmp_path: Path) -> None:
    async def use() -> None:
        data = DataFile(tmp_path / "data")
        claims = EmbeddedClaims(data)
        (first,) = claimed(claims, "t", ONE)
        assert first.outcome is NEW
        second = claimed(claims, "t", ONE)
        (other,) = claimed(claims, "t", ANOTHER)
        assert (second, other.outcome) == ([], OTHER)
        claims.settle(first, b"answer")
        assert [(one.outcome, one.answer) for one in second] == [(SAME, b"answer")]
        (third,) = claimed(claims, "t", ONE)
        assert (third.outcome, third.answer) == (SAME, b"answer")
        await data.aclose()

    asyncio.run(use())


def test_where_there_is_no_answer_who_waited_gives_one(tmp_path: Path) -> None:
    async def use() -> None:
        data = DataFile(tmp_path / "data")
        claims = EmbeddedClaims(data)
        (first,) = claimed(claims, "t", ONE)
        second = claimed(claims, "t", ONE)
        third = claimed(claims, "t", ONE)
        claims.release(first)
        assert second[0].outcome is NEW
        assert third == []
        claims.settle(second[0], b"answer")
        assert third[0].answer == b"answer"
        (fourth,) = claimed(claims, "u", ONE)
        claims.release(fourth)
        (fifth,) = claimed(claims, "u", ANOTHER)
        assert fifth.outcome is NEW, "what was refused may be put right"
        claims.release(fifth)
        await data.aclose()

    asyncio.run(use())


def test_the_newest_answers_are_remembered_over_a_restart(tmp_path: Path) -> None:
    async def use() -> None:
        data = DataFile(tmp_path / "data")
        claims = EmbeddedClaims(data, most=3)
        for name in "abcde":
            (one,) = claimed(claims, name, ONE)
            claims.settle(one, name.encode())
        assert remembered(claims) == ["c", "d", "e"]
        await data.aclose()
        data = DataFile(tmp_path / "data")
        claims = EmbeddedClaims(data, most=2)
        await claims.start()
        assert remembered(claims) == ["d", "e"]
        await data.aclose()

    def remembered(claims: EmbeddedClaims) -> list[str]:
        found = []
        for name in "abcde":
            (one,) = claimed(claims, name, ONE)
            if one.outcome is SAME:
                assert one.answer == name.encode()
                found.append(name)
            else:
                claims.release(one)
        return found

    asyncio.run(use())
