"""The share is exact, the same on any pod, and nobody's to choose."""

from __future__ import annotations

import hashlib
import hmac
import math
import subprocess
import sys

import pytest

from fraud_scorer.decisions.random_approvals import RandomApprovals

KEY = bytes(range(32))
IDS = [f"tx-{n}" for n in range(100_000)]


def position(key: bytes, transaction: str) -> float:
    """Where an id lies between 0 and 1, worked out by other means."""
    told = b"fraudops random approval\0" + transaction.encode()
    digest = hmac.new(key, told, hashlib.sha256).hexdigest()
    return int(digest[:16], 16) / 2**64


@pytest.mark.parametrize("share", ["0.001", "0.01", "0.05"])
def test_the_share_is_exact_in_distribution(share: str) -> None:
    approvals = RandomApprovals(KEY, share, most_minor=1)
    drawn = {one for one in IDS if approvals.draw(one)}
    assert drawn == {one for one in IDS if position(KEY, one) < float(share)}
    wanted = len(IDS) * float(share)
    assert abs(len(drawn) - wanted) < 4 * math.sqrt(wanted)
    assert approvals.propensity == float(share)


def test_positions_are_uniform() -> None:
    """So that any share is met: chi-square over a thousand cells, by ids that count up."""
    cells = [0] * 1000
    for one in IDS:
        cells[int(position(KEY, one) * 1000)] += 1
    chi_square = sum((count - 100) ** 2 / 100 for count in cells)
    assert 999 - 4 * math.sqrt(2 * 999) < chi_square < 999 + 4 * math.sqrt(2 * 999)


def test_it_is_the_same_on_any_pod() -> None:
    program = (
        "from fraud_scorer.decisions.random_approvals import RandomApprovals\n"
        f"one = RandomApprovals({KEY!r}, '0.05', 1)\n"
        "print([n for n in range(1000) if one.draw(f'tx-{n}')])"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    here = RandomApprovals(KEY, "0.05", most_minor=1)
    assert elsewhere.strip() == str([n for n in range(1000) if here.draw(f"tx-{n}")])


def test_another_key_draws_others() -> None:
    one, other = (RandomApprovals(key, "0.05", 1) for key in (KEY, KEY[::-1]))
    drawn = {one_id for one_id in IDS if one.draw(one_id)}
    both = {one_id for one_id in drawn if other.draw(one_id)}
    assert len(both) < 2 * 0.05 * len(drawn)


@pytest.mark.parametrize(
    ("key", "share", "most", "message"),
    [
        (KEY[:31], "0.01", 1, "31 bytes: give one of at least 32"),
        (KEY, "0.0501", 1, r"at most 0\.05"),
        (KEY, "0", 1, "not above 0"),
        (KEY, "-0.01", 1, "not above 0"),
        (KEY, "NaN", 1, "no decimal share"),
        (KEY, "1%", 1, "no decimal share"),
        (KEY, "0.01", -1, "negative"),
    ],
)
def test_what_is_declared_wrongly_is_refused(
    key: bytes, share: str, most: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        RandomApprovals(key, share, most)
