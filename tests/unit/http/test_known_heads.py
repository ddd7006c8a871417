"""The heads that the hot route remembers: whole ones, and never much of them."""

from __future__ import annotations

import tracemalloc

import pytest

from fraud_scorer.http.hot import KnownHeads
from tests.unit.http.support import BODY, post


def learned(known: KnownHeads, data: bytes) -> bool:
    """Whether a request of these bytes is known once it was parsed."""
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    known.learn(data, len(BODY), dict(tuple(line.split(b": ", 1)) for line in lines))
    return known.find(data) is not None


def test_a_head_is_known_with_its_whole_body_only() -> None:
    known = KnownHeads()
    data = post()
    assert learned(known, data)
    found = known.find(data)
    assert found is not None
    assert found[0] == BODY
    for other in (data[:-1], data + b" ", data[1:], data[:20], b"", b"\r\n" + data):
        assert known.find(other) is None


@pytest.mark.parametrize(
    "more",
    [(b"X: " + b"x" * 4000,), [b"X-%d: x" % number for number in range(100)]],
    ids=["bytes", "fields"],
)
def test_a_head_that_takes_much_memory_is_not_remembered(more: list[bytes]) -> None:
    assert not learned(KnownHeads(), post(*more))


def test_however_many_heads_there_are_they_take_little_memory() -> None:
    known = KnownHeads()
    tracemalloc.start()
    for number in range(2000):
        learned(known, post(*(b"X-%d-%d: %b" % (number, one, b"x" * 30) for one in range(25))))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 16_000_000
