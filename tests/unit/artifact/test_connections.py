"""The budget of connections: pools shrink until it holds, and it says so where it never does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_scorer.artifact.connections import Pools, budget

GUIDE = Pools(history=40, lookups=20)
"""What the deployment guide gives each instance."""


def test_the_guides_pools_for_a_hundred_pods_would_be_six_thousand_and_shrink():
    asked = 100 * GUIDE.total
    assert asked == 6_000
    found = budget(allowed=1_000, replicas=100, processes=1, jobs=2, records=False, wanted=GUIDE)
    assert found.holds
    assert found.pools == Pools(history=4, lookups=5)
    assert found.used == 101 * 9 + 2 == 911


def test_they_are_refused_where_even_one_connection_each_is_too_many():
    found = budget(allowed=90, replicas=100, processes=1, jobs=2, wanted=GUIDE)
    assert not found.holds
    assert found.pools == Pools(1, 1)
    assert found.used == 101 * (1 * 2 + 2) + 2 == 406


def test_what_there_is_room_for_is_not_touched():
    found = budget(allowed=90, replicas=3, processes=1, jobs=2)
    assert found.holds
    assert found.pools == Pools(2, 1)
    assert found.used == 4 * 5 + 2


def test_every_process_of_a_pod_has_its_own():
    one, two = (budget(allowed=500, replicas=30, processes=n, jobs=2) for n in (1, 2))
    assert two.per_pod - one.per_pod == 3


def test_no_histories_are_no_connections():
    found = budget(allowed=10, replicas=1, processes=1, jobs=0, wanted=Pools(0, 3))
    assert found.pools == Pools(0, 3)
    assert budget(allowed=8, replicas=1, processes=1, jobs=0, wanted=Pools(0, 3)).pools == Pools(
        0, 2
    )


def test_without_pods_there_are_jobs_only():
    assert budget(allowed=1, replicas=0, processes=1, jobs=1).holds


@settings(max_examples=50)
@given(
    allowed=st.integers(1, 3000),
    replicas=st.integers(0, 200),
    processes=st.integers(1, 4),
    history=st.integers(0, 40),
    lookups=st.integers(1, 20),
)
def test_it_holds_with_the_largest_pools_that_fit(allowed, replicas, processes, history, lookups):
    wanted = Pools(history, lookups)
    found = budget(allowed=allowed, replicas=replicas, processes=processes, jobs=2, wanted=wanted)
    assert found.pools.history <= history
    assert found.pools.lookups <= lookups
    if not found.holds:
        assert found.pools == found.pools.shrunk(), "there was room to shrink"
    elif found.pools != wanted:
        one_more = found.pods * processes
        assert found.used + one_more > allowed, "it shrank for nothing"
