"""A candidate's share is exact, the same in every pod, and grows without letting anybody go."""

from __future__ import annotations

import hashlib

import pytest

from fraud_scorer.registry.share import Share

IDS = [f"tx-{n}" for n in range(20_000)]


def test_the_share_is_that_of_the_contract() -> None:
    def position(one: str) -> int:
        digest = hashlib.sha256(b"cards\0" + b"ab12\0" + one.encode()).digest()
        return int.from_bytes(digest[:8], "big") % 10_000

    share = Share("cards", "ab12", 137)
    assert {one for one in IDS if share.has(one)} == {one for one in IDS if position(one) < 137}


@pytest.mark.parametrize("size", [0, 100, 1000, 5000, 10_000])
def test_so_many_are_in_it(size: int) -> None:
    found = sum(map(Share("cards", "ab12", size).has, IDS))
    assert abs(found / len(IDS) - size / 10_000) < 0.01


def test_who_was_in_a_smaller_share_is_in_a_larger_one() -> None:
    shares = [Share("cards", "ab12", size) for size in (100, 1000, 5000)]
    small, middle, large = ({one for one in IDS if share.has(one)} for share in shares)
    assert small < middle < large


def test_another_candidate_has_another_share() -> None:
    first, second = (Share("cards", one, 1000) for one in ("ab12", "cd34"))
    assert {one for one in IDS if first.has(one)} != {one for one in IDS if second.has(one)}


def test_any_text_is_an_id() -> None:
    assert Share("cards", "ab12", 10_000).has("\ud800 \0 ß")
