"""Why pods are not ready, in words that do not change from one look to the next."""

import pytest

from fraud_operator.plan.trouble import refused_field, trouble


def pod(name, **status):
    return {"metadata": {"name": name}, "status": status}


def container(**state):
    return {"name": "scorer", "ready": False, **state}


def test_nothing_is_wrong():
    assert trouble([pod("a", containerStatuses=[container(state={"running": {}})])]) == ""


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_both_faces_of_one_trouble_sound_the_same(reason):
    waiting = container(state={"waiting": {"reason": reason, "message": "back-off 20s"}})
    assert trouble([pod("a", containerStatuses=[waiting])]) == ("pod a: its image cannot be pulled")


def test_a_crash_names_its_exit_code():
    ended = container(
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
    )
    assert "exit code 137 (OOMKilled)" in trouble([pod("a", containerStatuses=[ended])])


def test_a_crash_of_long_ago_is_no_trouble():
    ended = {**container(lastState={"terminated": {"exitCode": 1}}), "ready": True}
    assert trouble([pod("a", containerStatuses=[ended])]) == ""


def test_no_node_will_have_it():
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available",
    }
    assert trouble([pod("b"), pod("a", conditions=[condition])]) == (
        "pod a: cannot be scheduled: 0/3 nodes are available"
    )


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("", ""),
        (
            'pods "a-" is forbidden: no PriorityClass with name x was found',
            "spec.scorer.priorityClassName",
        ),
        ('pods "a-" is forbidden: exceeded quota: pods, requested: pods=1', "spec.scorer"),
        (
            'pods "a-" is forbidden: maximum cpu usage per Container is 1, but request is 2',
            "spec.scorer.resources",
        ),
        ('pods "a-" is forbidden: something else', "spec.scorer"),
        ('Internal error occurred: failed calling webhook "x": no answer', ""),
        ('pods "a-" is forbidden: failed calling webhook "x"', ""),
    ],
)  # fmt: skip
def test_why_no_pod_is_taken(message, field):
    assert refused_field(message) == field
