"""What is set wins, then the capacity table, then a default; nothing contradicts itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud_operator.api import quantities
from fraud_operator.plan.effective import effective
from tests.support.worlds import FULL, MINIMAL, detector


def of(**spec):
    return effective(detector({**MINIMAL, **spec}).spec)


def test_nothing_set():
    sizes = of()
    assert sizes.replicas == 3
    assert sizes.autoscaling is None
    assert sizes.resources == {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"memory": "1Gi"},
    }
    assert (sizes.max_unavailable, sizes.grace_seconds, sizes.sync_interval) == ("10%", 30, "30s")
    assert sizes.thresholds is None
    assert sizes.shown("image", None)["scoring"]["thresholds"] == {
        "review": "0.50",
        "decline": "0.90",
    }
    assert sizes.reasons == 4


def test_no_reasons_is_a_number_like_any_other():
    assert of(scoring={"reasons": 0}).reasons == 0


def test_everything_set():
    sizes = effective(detector(FULL).spec)
    assert sizes.shown("image", None) == {
        "model": {
            "version": "v1",
            "syncInterval": "5m",
            "verification": {
                "goldenTolerance": "1e-9",
                "maxScoreMilliseconds": 50,
                "timeout": "10m",
                "memory": "2Gi",
                "signed": False,
                "allowInputChanges": False,
            },
            "rollout": {"strategy": "Immediate", "maxDeclineShift": "0.05"},
            "rollback": {"automatic": True, "historyLimit": 10},
        },
        "scoring": {"thresholds": {"review": "0.40", "decline": "0.80"}, "reasons": 2},
        "capacity": {"transactionsPerDay": 10_000_000, "tpsBudget": 1_000},
        "scorer": {
            "image": "image",
            "resources": {
                "requests": {"cpu": "1500m", "memory": "1536Mi"},
                "limits": {"cpu": "2", "memory": "2Gi"},
            },
            "processes": 2,
            "maxUnavailable": "2",
            "terminationGracePeriodSeconds": 45,
        },
        "autoscaling": {
            "minReplicas": 4,
            "maxReplicas": 12,
            "cpuUtilization": 60,
            "memoryUtilization": 80,
            "scaleDownStabilizationSeconds": 0,
        },
    }


@pytest.mark.parametrize(
    ("autoscaling", "bounds"),
    [
        ({}, (3, 20)),
        ({"minReplicas": 5}, (5, 20)),
        ({"minReplicas": 50}, (50, 50)),
        ({"maxReplicas": 8}, (3, 8)),
        ({"maxReplicas": 2}, (2, 2)),
        ({"minReplicas": 1, "maxReplicas": 4}, (1, 4)),
    ],
)
def test_a_bound_that_is_not_set_gives_way_to_the_one_that_is(autoscaling, bounds):
    scaling = of(autoscaling=autoscaling).autoscaling
    assert scaling is not None
    assert (scaling.min_replicas, scaling.max_replicas) == bounds


@pytest.mark.parametrize(
    ("cpu", "processes"), [("50m", 1), ("1", 1), ("1001m", 2), ("2000m", 2), ("4", 4)]
)
def test_a_pod_has_a_process_for_each_core_that_it_asks_for(cpu, processes):
    assert of(scorer={"resources": {"requests": {"cpu": cpu}}}).processes == processes


def test_zero_replicas_is_a_number_like_any_other():
    assert of(scorer={"replicas": 0}).replicas == 0


def test_an_autoscaler_leaves_no_fixed_number():
    assert of(autoscaling={}).replicas is None


@pytest.mark.parametrize(
    ("resources", "requests", "limits"),
    [
        (
            {"requests": {"memory": "2Gi"}},
            {"cpu": "500m", "memory": "2Gi"},
            {"memory": "2Gi"},
        ),
        (
            {"limits": {"memory": "512Mi"}},
            {"cpu": "500m", "memory": "512Mi"},
            {"memory": "512Mi"},
        ),
        (
            {"limits": {"cpu": "200m"}},
            {"cpu": "200m", "memory": "1Gi"},
            {"cpu": "200m", "memory": "1Gi"},
        ),
    ],
)
def test_what_is_set_of_the_resources_decides_the_rest(resources, requests, limits):
    assert of(scorer={"resources": resources}).resources == {
        "requests": requests,
        "limits": limits,
    }


cpus = st.one_of(st.integers(1, 64), st.integers(1, 9999).map(lambda n: f"{n}m"))
memories = st.tuples(st.integers(1, 4096), st.sampled_from(["M", "G", "Mi", "Gi"])).map(
    lambda pair: f"{pair[0]}{pair[1]}"
)
amounts = st.fixed_dictionaries({}, optional={"cpu": cpus, "memory": memories})


@given(requests=amounts, limits=amounts)
def test_a_request_never_exceeds_its_limit(requests, limits):
    from fraud_operator.api.frauddetector import InvalidSpec

    try:
        found = of(scorer={"resources": {"requests": requests, "limits": limits}}).resources
    except InvalidSpec:
        return  # set explicitly so: refused
    assert quantities.bytes_of(found["requests"]["memory"]) <= quantities.bytes_of(
        found["limits"]["memory"]
    )
    if "cpu" in found["limits"]:
        assert quantities.millicores(found["requests"]["cpu"]) <= quantities.millicores(
            found["limits"]["cpu"]
        )
