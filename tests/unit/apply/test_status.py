"""A status is written where it differs, and only that part of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_operator.apply.status import merge_patch, write_status
from fraud_operator.observe.store import ObjectStore
from fraud_operator.runtime.kinds import FRAUD_DETECTOR
from fraud_operator.runtime.kube import Conflict
from tests.support.kube import FakeKube, merged

DETECTOR = {
    "apiVersion": "fraudops.io/v1beta1",
    "kind": "FraudDetector",
    "metadata": {"name": "cards", "namespace": "fraud"},
    "spec": {},
}

leaf = st.booleans() | st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
inner = st.dictionaries(st.sampled_from("abc"), leaf, max_size=3)
statuses = st.dictionaries(
    st.sampled_from("abcd"),
    leaf | st.dictionaries(st.sampled_from("abc"), leaf | inner),
    max_size=4,
)


@given(statuses, statuses)
def test_a_patch_turns_the_old_into_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merged(old, merge_patch(old, new)) == new


@given(statuses)
def test_equal_statuses_need_no_patch(status: dict[str, Any]) -> None:
    assert merge_patch(status, status) == {}


async def test_nothing_is_written_where_nothing_differs() -> None:
    kube = FakeKube()
    obj = kube.put(DETECTOR)
    obj = dict(await write_status(kube, ObjectStore(), obj, {"x": 1}))
    again = await write_status(kube, ObjectStore(), obj, {"x": 1})
    assert again is obj
    assert [write.verb for write in kube.writes] == ["status"]


async def test_a_status_is_not_written_onto_another_state() -> None:
    kube = FakeKube()
    seen = kube.put(DETECTOR)
    kube.edit(FRAUD_DETECTOR, "fraud", "cards", lambda obj: obj["spec"].update(a=1), by="someone")
    with pytest.raises(Conflict):
        await write_status(kube, ObjectStore(), seen, {"x": 1})


async def test_our_own_write_is_no_news() -> None:
    kube, store = FakeKube(), ObjectStore()
    obj = kube.put(DETECTOR)
    store.put(FRAUD_DETECTOR, obj)
    written = await write_status(kube, store, obj, {"x": 1})
    assert store.put(FRAUD_DETECTOR, written) == ()
