"""The view: newer wins, ghosts stay dead, nothing foreign is kept."""

from typing import Any

import pytest

from fraud_operator.observe.store import DETECTOR_LABEL, Key, ObjectStore
from fraud_operator.runtime.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    FRAUD_DETECTOR,
    JOB,
    POD,
    SERVICE,
    Kind,
)

KEY = Key("fraud", "cards")


def obj(
    kind: Kind,
    name: str,
    version: int,
    *,
    uid: str = "u",
    detector: str | None = "cards",
    namespace: str = "fraud",
    **more: Any,
) -> dict[str, Any]:
    labels = {DETECTOR_LABEL: detector} if detector and kind != FRAUD_DETECTOR else {}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": str(version),
            "labels": labels,
        },
        **more,
    }


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore()


def test_news_is_told_once(store: ObjectStore) -> None:
    child = obj(SERVICE, "cards", 5, spec={"a": "b"})
    assert store.put(SERVICE, child) == (KEY,)
    assert store.put(SERVICE, child) == ()
    del child["metadata"]["resourceVersion"]
    assert store.children(KEY) == {("Service", "cards"): child}


def test_what_nobody_reads_is_no_news(store: ObjectStore) -> None:
    field = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {}}}
    noise = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"}
    child = obj(SERVICE, "cards", 5, spec={"a": "b"}, status={"seen": 1})
    child["metadata"]["managedFields"] = [field, noise]
    assert store.put(SERVICE, child) == (KEY,)
    later = obj(SERVICE, "cards", 6, spec={"a": "b"}, status={"seen": 2})
    later["metadata"]["managedFields"] = [field]
    assert store.put(SERVICE, later) == ()
    assert store.put(SERVICE, child) == (), "the newer version counts, although it was no news"
    edited = obj(SERVICE, "cards", 7, spec={"a": "c"})
    assert store.put(SERVICE, edited) == (KEY,)
    again = obj(SERVICE, "cards", 8, uid="u2", spec={"a": "c"})
    assert store.put(SERVICE, again) == (KEY,), "another object, though it looks the same"


def test_the_model_plan_keeps_its_version_which_writes_to_it_carry(store: ObjectStore) -> None:
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 5, data={"a": "b"}))
    assert store.children(KEY)["ConfigMap", "plan"]["metadata"]["resourceVersion"] == "5"
    assert store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 6, data={"a": "b"})) == (KEY,)


def test_a_deployment_is_news_when_its_rollout_moves(store: ObjectStore) -> None:
    def deployment(version: int, ready: int, reason: str, time: str) -> dict[str, Any]:
        status = "False" if reason == "ProgressDeadlineExceeded" else "True"
        progressing = {"type": "Progressing", "status": status, "reason": reason}
        condition = {**progressing, "lastUpdateTime": time}
        other = {"type": "Available", "status": "True", "lastTransitionTime": time}
        of_pods = {"readyReplicas": ready, "conditions": [condition, other]}
        return obj(DEPLOYMENT, "cards-scorer", version, status=of_pods)

    assert store.put(DEPLOYMENT, deployment(1, 0, "ReplicaSetUpdated", "1"))
    assert not store.put(DEPLOYMENT, deployment(2, 0, "NewReplicaSetAvailable", "2"))
    assert store.put(DEPLOYMENT, deployment(3, 1, "ReplicaSetUpdated", "3"))
    assert store.put(DEPLOYMENT, deployment(4, 1, "ProgressDeadlineExceeded", "4"))


def test_a_pod_is_news_when_it_can_be_asked_is_ready_is_stuck_or_speaks(store: ObjectStore) -> None:
    def pod(version: int, **status: Any) -> dict[str, Any]:
        return obj(POD, "cards-1", version, status=status)

    unschedulable = {"type": "PodScheduled", "status": "False", "message": "no node"}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "1"}
    waiting = {"name": "scorer", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    running = {"name": "scorer", "ready": False, "state": {"running": {"startedAt": "1"}}}
    ended = {"name": "scorer", "ready": False, "lastState": {"terminated": {"exitCode": 1}}}
    assert not store.put(POD, pod(1, phase="Pending"))
    assert not store.put(POD, pod(2, phase="Pending", hostIP="10.0.0.2"))
    assert store.pods(KEY) == [], "there is nothing to say of it yet"
    assert store.put(POD, pod(3, conditions=[unschedulable]))
    assert store.put(POD, pod(4, containerStatuses=[waiting]))
    assert store.put(POD, pod(5, containerStatuses=[running]))
    assert not store.put(POD, pod(6, phase="Running", containerStatuses=[running]))
    assert store.put(POD, pod(7, podIP="10.0.0.1", containerStatuses=[running]))
    assert store.put(POD, pod(8, podIP="10.0.0.1", conditions=[ready]))
    later = {**ready, "lastTransitionTime": "2"}
    assert not store.put(POD, pod(9, podIP="10.0.0.1", conditions=[later]))
    assert store.put(POD, pod(10, podIP="10.0.0.1", containerStatuses=[ended]))
    again = {**running, "restartCount": 1}
    assert store.put(POD, pod(11, podIP="10.0.0.1", containerStatuses=[again]))
    assert store.put(POD, pod(12, phase="Failed", reason="Evicted"))


def test_labels_and_annotations_of_other_controllers_are_no_news(store: ObjectStore) -> None:
    pod = obj(POD, "cards-1", 1, status={"podIP": "10.0.0.1"})
    assert store.put(POD, pod)
    labels = pod["metadata"]["labels"] | {"topology.kubernetes.io/zone": "a"}
    placed = {**pod, "metadata": {**pod["metadata"], "labels": labels, "resourceVersion": "2"}}
    assert not store.put(POD, placed)
    serving = {**labels, "fraudops.io/serving": "true"}
    again = {**pod, "metadata": {**pod["metadata"], "labels": serving, "resourceVersion": "3"}}
    assert store.put(POD, again)
    deployment = obj(DEPLOYMENT, "cards", 1)
    deployment["metadata"]["annotations"] = {"team": "fraud"}
    assert store.put(DEPLOYMENT, deployment)
    counted = obj(DEPLOYMENT, "cards", 2)
    counted["metadata"]["annotations"] = {"team": "fraud", "deployment.kubernetes.io/revision": "1"}
    assert not store.put(DEPLOYMENT, counted)


def test_what_is_no_news_is_absorbed_and_nothing_else(store: ObjectStore) -> None:
    child = obj(SERVICE, "cards", 5, spec={"a": "b"})
    assert not store.absorb(SERVICE, child), "it is not there yet"
    assert store.put(SERVICE, child)
    assert store.absorb(SERVICE, child), "the echo of a write"
    assert store.absorb(SERVICE, obj(SERVICE, "cards", 4, spec={"a": "old"}))
    assert store.absorb(SERVICE, obj(SERVICE, "cards", 6, spec={"a": "b"}, status={"seen": 1}))
    assert not store.put(SERVICE, obj(SERVICE, "cards", 5, spec={"a": "c"})), "6 was taken in"
    edited = obj(SERVICE, "cards", 7, spec={"a": "c"})
    assert not store.absorb(SERVICE, edited)
    assert store.put(SERVICE, edited) == (KEY,), "nothing of it was taken in"
    assert not store.absorb(SERVICE, obj(SERVICE, "cards", 8, uid="u2", spec={"a": "c"}))
    moved = obj(SERVICE, "cards", 9, detector="other", spec={"a": "c"})
    assert not store.absorb(SERVICE, moved)
    assert set(store.put(SERVICE, moved)) == {KEY, Key("fraud", "other")}
    assert store.absorb(POD, obj(POD, "cards-1", 1, status={"phase": "Pending"}))


def test_a_pod_of_which_there_is_no_more_to_say_is_left_out(store: ObjectStore) -> None:
    unschedulable = {"type": "PodScheduled", "status": "False", "message": "no node"}
    assert store.put(POD, obj(POD, "cards-1", 1, status={"conditions": [unschedulable]}))
    placed = obj(POD, "cards-1", 2, status={"phase": "Pending"})
    assert not store.absorb(POD, placed)
    assert store.put(POD, placed) == (KEY,)
    assert store.pods(KEY) == []


def test_a_deletion_that_is_told_late_takes_nothing_that_was_seen_since(store: ObjectStore) -> None:
    """Its label was removed (6) and put back (7): what a watch absorbs overtakes what goes on."""
    pod = obj(POD, "cards-1", 5, status={"podIP": "10.0.0.1"})
    store.put(POD, pod)
    again = obj(POD, "cards-1", 7, status={"podIP": "10.0.0.1"})
    assert store.absorb(POD, again)
    removed = obj(POD, "cards-1", 6, detector=None, status={"podIP": "10.0.0.1"})
    assert store.remove(POD, removed) == ()
    assert [one["metadata"]["name"] for one in store.pods(KEY)] == ["cards-1"]
    assert store.remove(POD, obj(POD, "cards-1", 8)) == (KEY,)


def test_what_was_said_before_there_was_nothing_to_say_is_no_news(store: ObjectStore) -> None:
    unschedulable = {"type": "PodScheduled", "status": "False", "message": "no node"}
    stuck = obj(POD, "cards-1", 6, status={"conditions": [unschedulable]})
    assert store.absorb(POD, obj(POD, "cards-1", 7, status={"phase": "Pending"}))
    assert store.put(POD, stuck) == (), "it has a node by now"
    assert store.put(POD, obj(POD, "cards-1", 8, status={"conditions": [unschedulable]}))
    assert store.put(POD, obj(POD, "cards-1", 9, status={"phase": "Pending"})) == (KEY,)
    assert store.put(POD, stuck) == (), "as little when it was known in between"
    before = obj(POD, "cards-1", 7, uid="before")
    assert store.remove(POD, before) == ()
    late = obj(POD, "cards-1", 8, status={"conditions": [unschedulable]})
    assert store.put(POD, late) == (), "the late end of another pod opens no door to it"
    assert store.put(POD, obj(POD, "cards-1", 10, status={"podIP": "10.0.0.1"})) == (KEY,)


def test_a_job_is_news_when_it_is_over(store: ObjectStore) -> None:
    def job(version: int, **status: Any) -> dict[str, Any]:
        return obj(JOB, "cards-verify", version, status=status)

    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late"}
    assert store.put(JOB, job(1))
    assert not store.put(JOB, job(2, active=1, startTime="1"))
    assert store.put(JOB, job(3, conditions=[{**failed, "lastProbeTime": "2"}]))
    (condition,) = store.children(KEY)["Job", "cards-verify"]["status"]["conditions"]
    assert condition == failed


def test_older_never_replaces_newer(store: ObjectStore) -> None:
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 10, data={"new": "1"}))
    assert store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 9, data={"old": "1"})) == ()
    assert store.children(KEY)["ConfigMap", "plan"]["data"] == {"new": "1"}


def test_a_late_answer_does_not_bring_back_what_was_deleted(store: ObjectStore) -> None:
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 5))
    assert store.remove(CONFIG_MAP, obj(CONFIG_MAP, "plan", 8)) == (KEY,)
    assert store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 7)) == ()
    assert store.children(KEY) == {}
    assert store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 9, uid="u2")) == (KEY,)


def test_a_late_deletion_does_not_hide_what_was_recreated(store: ObjectStore) -> None:
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 9, uid="u2"))
    assert store.remove(CONFIG_MAP, obj(CONFIG_MAP, "plan", 8, uid="u1")) == ()
    assert ("ConfigMap", "plan") in store.children(KEY)


def test_tombstones_are_forgotten_after_a_while() -> None:
    now = 0.0
    store = ObjectStore(clock=lambda: now)
    store.remove(CONFIG_MAP, obj(CONFIG_MAP, "plan", 5))
    assert store._tombstones
    now = 121.0
    store.remove(CONFIG_MAP, obj(CONFIG_MAP, "other", 6))
    assert [name for _, _, name in store._tombstones] == ["other"]


def test_what_belongs_to_no_detector_is_not_kept(store: ObjectStore) -> None:
    assert store.put(CONFIG_MAP, obj(CONFIG_MAP, "foreign", 1, detector=None)) == ()
    assert store.known() == []


def test_the_owner_counts_more_than_the_label(store: ObjectStore) -> None:
    child = obj(CONFIG_MAP, "plan", 1, detector="other")
    child["metadata"]["ownerReferences"] = [
        {"kind": "FraudDetector", "name": "cards", "uid": "d", "controller": True}
    ]
    assert store.put(CONFIG_MAP, child) == (KEY,)
    del child["metadata"]["labels"]
    assert store.remove(CONFIG_MAP, child) == (KEY,)


def test_a_child_whose_owner_was_changed_by_hand_moves(store: ObjectStore) -> None:
    child = obj(CONFIG_MAP, "plan", 1)
    store.put(CONFIG_MAP, child)
    owner = {"kind": "FraudDetector", "name": "wires", "uid": "w", "controller": True}
    child["metadata"] |= {"ownerReferences": [owner], "resourceVersion": "2"}
    wires = Key("fraud", "wires")
    assert set(store.put(CONFIG_MAP, child)) == {KEY, wires}
    assert store.children(KEY) == {}
    assert ("ConfigMap", "plan") in store.children(wires)
    child["metadata"] |= {"ownerReferences": [], "labels": {}, "resourceVersion": "3"}
    assert store.remove(CONFIG_MAP, child) == (wires,)
    assert store.known() == []


def test_what_was_found_missing_is_missing(store: ObjectStore) -> None:
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 5))
    store.lose(CONFIG_MAP, "fraud", "plan")
    assert store.children(KEY) == {}
    assert store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 5)) == ()
    assert store.put(CONFIG_MAP, obj(CONFIG_MAP, "plan", 6)) == (KEY,)
    store.lose(CONFIG_MAP, "fraud", "never-there")


def test_a_list_ends_ghosts_and_spares_what_came_later(store: ObjectStore) -> None:
    store.put(FRAUD_DETECTOR, obj(FRAUD_DETECTOR, "cards", 1))
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "ghost", 2))
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "kept", 3))
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "younger", 30))
    store.put(DEPLOYMENT, obj(DEPLOYMENT, "another-kind", 4))
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "elsewhere", 5, namespace="other"))
    missed = obj(CONFIG_MAP, "missed", 6, detector="wires")
    news = store.replace(CONFIG_MAP, ["fraud"], [obj(CONFIG_MAP, "kept", 3), missed], version="20")
    assert news == {KEY, Key("fraud", "wires")}
    assert {name for _, name in store.children(KEY)} == {"kept", "younger", "another-kind"}
    assert store.children(Key("other", "cards"))
    assert store.replace(CONFIG_MAP, ["fraud"], [obj(CONFIG_MAP, "kept", 3), missed], "21") == set()


def test_a_list_of_everything_covers_all_namespaces(store: ObjectStore) -> None:
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "a", 1))
    store.put(CONFIG_MAP, obj(CONFIG_MAP, "b", 1, namespace="other"))
    assert store.replace(CONFIG_MAP, [], [], "5") == {KEY, Key("other", "cards")}
    assert store.known() == []


def test_pods_are_cut_down(store: ObjectStore) -> None:
    store.put(
        POD,
        obj(
            POD,
            "cards-1",
            1,
            spec={"nodeName": "n1", "containers": [{"env": [{"name": "SECRET", "value": "x"}]}]},
            status={
                "phase": "Running",
                "containerStatuses": [
                    {
                        "name": "scorer",
                        "ready": True,
                        "restartCount": 2,
                        "imageID": "sha256:0123",
                        "lastState": {"terminated": {"exitCode": 3, "message": "{}"}},
                    }
                ],
            },
        ),
    )
    (pod,) = store.pods(KEY)
    assert "SECRET" not in str(pod)
    assert "imageID" not in str(pod)
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
    assert store.children(KEY) == {}


def test_a_thousand_detectors_are_a_few_megabytes(store: ObjectStore) -> None:
    deployment = obj(DEPLOYMENT, "cards-scorer", 1, spec={"template": {"x": ["y" * 40] * 200}})
    store.put(DEPLOYMENT, deployment)
    entry = next(iter(store._objects[KEY].values()))
    assert len(entry.packed) < 500


def test_versions_that_are_not_numbers_always_win(store: ObjectStore) -> None:
    first, second = (obj(CONFIG_MAP, "plan", 0) for _ in range(2))
    first["metadata"]["resourceVersion"] = "b"
    second["metadata"]["resourceVersion"] = "a"
    second["data"] = {"a": "b"}
    assert store.put(CONFIG_MAP, first) == (KEY,)
    assert store.put(CONFIG_MAP, second) == (KEY,)
    assert store.put(CONFIG_MAP, second) == ()
