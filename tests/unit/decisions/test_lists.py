"""Who is listed: the latest word of each list and entity holds, and deny beats allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_scorer.decisions.lists import Listing, Lists

KINDS, IDS = ("customer", "terminal"), ("a", "b")
words = st.builds(
    Listing,
    st.sampled_from(["allow", "deny"]),
    st.sampled_from(KINDS),
    st.sampled_from(IDS),
    st.none() | st.integers(0, 10).map(float),
    st.booleans(),
)
transactions = st.dictionaries(st.sampled_from((*KINDS, "device")), st.sampled_from(IDS))


def plainly(said: list[Listing], entities: dict[str, str], now: float) -> set[str]:
    """The rules that apply, found by looking at every word."""
    latest = {(one.list, one.kind, one.id): one for one in said}
    return {
        f"list.{name}.{kind}"
        for (name, kind, entity), one in latest.items()
        if entities.get(kind) == entity and not one.removed
        if one.expires is None or one.expires > now
    }


@given(st.lists(words, max_size=12), transactions, st.integers(0, 10), st.integers(0, 12))
def test_it_is_what_reading_all_words_finds(
    said: list[Listing], entities: dict[str, str], now: int, cut: int
) -> None:
    lists = Lists()
    lists.replace(said[:cut])
    lists.add(said[cut:])
    found = lists.listed(entities, float(now))
    apply = plainly(said, entities, float(now))
    deny = {one for one in apply if one.startswith("list.deny")}
    assert (found is None) is (not apply)
    if found is not None:
        assert found.by in (deny or apply)


def test_an_entry_ends_at_its_expiry() -> None:
    lists = Lists()
    lists.replace([Listing("deny", "customer", "a", expires=100.0)])
    assert lists.listed({"customer": "a"}, 99.9) is not None
    assert lists.listed({"customer": "a"}, 100.0) is None


def test_the_same_id_of_another_kind_is_another_entity() -> None:
    lists = Lists()
    lists.replace([Listing("deny", "customer", "a")])
    assert lists.listed({"terminal": "a"}, 0.0) is None


@pytest.mark.parametrize("entities", [{}, {"customer": "a"}])
def test_replacing_forgets_what_was_held(entities: dict[str, str]) -> None:
    lists = Lists()
    lists.replace([Listing("deny", "customer", "a")])
    assert len(lists) == 1
    lists.replace([])
    assert lists.listed(entities, 0.0) is None
    assert len(lists) == 0
