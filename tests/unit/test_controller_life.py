"""The life of a detector through the real loop: what is made, changed, repaired and left alone."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fraud_operator.apply.applier import Applier
from fraud_operator.apply.contention import Contention
from fraud_operator.observe.management import Tokens
from fraud_operator.observe.observer import Observer
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import ObjectStore
from fraud_operator.plan.types import StoreView
from fraud_operator.runtime import kinds
from fraud_operator.runtime.kube import Conflict
from tests.support.kube import refusal
from tests.support.world import KEY, NAME, NAMESPACE, SCORER, World, detector, version

PLAN = f"{NAME}-model-plan"


@pytest.fixture
async def world() -> World:
    world = World()
    world.kube.put(detector())
    await world.settle()
    return world


def jobs(world: World) -> list[str]:
    """Those that verify."""
    return [name for kind, name in sorted(world.children()) if kind == "Job"]


def judged(world: World, job: str) -> str:
    """The version that it is about."""
    version: str = world.read(kinds.JOB, job)["metadata"]["annotations"]["fraudops.io/version"]
    return version


async def test_a_detector_gets_its_children_and_becomes_ready(world: World) -> None:
    (job,) = jobs(world)
    assert world.children() == {
        ("Job", job),
        ("ServiceAccount", SCORER),
        ("ConfigMap", PLAN),
        ("Service", SCORER),
        ("Service", f"{NAME}-siblings"),
        ("Deployment", SCORER),
        ("PodDisruptionBudget", SCORER),
        ("ControllerRevision", f"{NAME}-1"),
    }
    assert world.condition("Ready") == ("True", "Serving")
    assert world.status["model"]["activeVersion"] == "v1"


async def test_it_costs_one_write_a_child_one_status_and_one_event(world: World) -> None:
    verbs = [(write.verb, write.kind) for write in world.kube.writes]
    once = [kind for verb, kind in verbs if verb == "create" and kind != "Event"]
    assert sorted(once) == ["ControllerRevision", "Job", "Secret"]
    applied = [kind for verb, kind in verbs if verb == "apply"]
    assert sorted(applied) == sorted(kind for kind, _ in world.children() if kind not in once)
    assert verbs.count(("status", "FraudDetector")) == 1
    assert verbs.count(("create", "Event")) == 1
    assert world.kube.gets == [], "what it made it need not read"


async def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    world.kube.writes.clear()
    for _ in range(3):
        world.queue.add(KEY)
        await world.settle()
    assert world.kube.writes == []


async def test_a_restarted_operator_writes_nothing(world: World) -> None:
    world.kube.writes.clear()
    world.start()
    await world.settle()
    assert world.kube.writes == []


async def test_a_restarted_operator_writes_nothing_before_it_knows_the_store(
    world: World,
) -> None:
    world.kube.writes.clear()
    view, world.view = world.view, type(world.view)()
    world.start()
    await world.settle()
    assert world.kube.writes == []
    world.view = view
    world.queue.add(KEY)
    await world.settle()
    assert world.kube.writes == []


async def test_a_change_touches_only_what_it_changes(world: World) -> None:
    world.kube.writes.clear()
    world.change(scorer={"replicas": 5})
    await world.settle()
    applied = {write.kind for write in world.kube.writes if write.verb == "apply"}
    assert "Deployment" in applied
    assert applied <= {"Deployment", "PodDisruptionBudget"}
    assert world.read(kinds.DEPLOYMENT, SCORER)["spec"]["replicas"] == 5


async def test_what_somebody_edits_is_put_back_and_said(world: World) -> None:
    def scale(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 9

    world.edit(kinds.DEPLOYMENT, SCORER, scale, "kubectl-scale")
    await world.settle()
    assert world.read(kinds.DEPLOYMENT, SCORER)["spec"]["replicas"] == 2
    (said,) = world.events("DriftReverted")
    assert "kubectl-scale" in said
    assert "spec.replicas" in said
    assert f"Deployment {SCORER}" in said


async def test_fields_of_others_are_left_alone(world: World) -> None:
    def add(obj: dict[str, Any]) -> None:
        obj["metadata"]["annotations"]["team/contact"] = "fraud"
        obj["spec"]["paused"] = False

    world.edit(kinds.DEPLOYMENT, SCORER, add, "kubectl-edit")
    world.kube.writes.clear()
    world.queue.add(KEY)
    await world.settle()
    assert world.kube.writes == []
    assert world.read(kinds.DEPLOYMENT, SCORER)["metadata"]["annotations"]["team/contact"]


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in kinds.CHILDREN
        if kind not in (kinds.AUTOSCALER, kinds.JOB, kinds.CRON_JOB, kinds.CONTROLLER_REVISION)
    ],
    ids=str,
)
async def test_a_deleted_child_comes_back(world: World, kind: kinds.Kind) -> None:
    name = {kinds.CONFIG_MAP: PLAN, kinds.STATEFUL_SET: f"{NAME}-redis"}.get(kind, SCORER)
    if kind == kinds.STATEFUL_SET:
        world.change(redis={"managed": {}})
        await world.settle()
    uid = world.read(kind, name)["metadata"]["uid"]
    world.kube.remove(kind, NAMESPACE, name)
    await world.settle()
    assert world.read(kind, name)["metadata"]["uid"] != uid
    assert world.condition("Ready")[0] == "True"
    (said,) = world.events("DriftReverted")
    assert f"somebody deleted {kind.kind} {name}" in said


async def test_what_the_operator_deletes_itself_is_nobodys_fault(world: World) -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 4}
    for autoscaling in (scaling, None, scaling):
        world.change(scorer={}, autoscaling=autoscaling)
        await world.settle()
    assert ("HorizontalPodAutoscaler", SCORER) in world.children()
    world.kube.remove(kinds.FRAUD_DETECTOR, NAMESPACE, NAME)
    world.kube.put(detector())
    await world.settle()
    assert ("Service", SCORER) in world.children()
    assert world.events("DriftReverted") == []


async def test_drift_is_told_though_the_status_cannot_be_written(world: World) -> None:
    def before(write: Any) -> None:
        if write.verb == "status":
            raise refusal(500, "InternalError")

    world.kube.before = before
    world.kube.remove(kinds.DEPLOYMENT, NAMESPACE, SCORER)
    await world.settle()
    (said,) = world.events("DriftReverted")
    assert f"somebody deleted Deployment {SCORER}" in said


async def test_an_owner_reference_that_was_taken_is_given_back(world: World) -> None:
    def orphan(obj: dict[str, Any]) -> None:
        del obj["metadata"]["ownerReferences"]

    world.edit(kinds.SERVICE, SCORER, orphan, "somebody")
    await world.settle()
    owner = world.read(kinds.SERVICE, SCORER)["metadata"]["ownerReferences"][0]
    assert owner["uid"] == world.read(kinds.FRAUD_DETECTOR, NAME)["metadata"]["uid"]


async def test_a_child_that_lost_its_label_gets_it_back(world: World) -> None:
    def unlabel(obj: dict[str, Any]) -> None:
        del obj["metadata"]["labels"]["fraudops.io/detector"]

    world.edit(kinds.SERVICE, SCORER, unlabel, "somebody")
    # A watch with a label selector says that the object is gone.
    world.store.remove(kinds.SERVICE, world.read(kinds.SERVICE, SCORER))
    world.queue.add(KEY)
    await world.settle()
    labels = world.read(kinds.SERVICE, SCORER)["metadata"]["labels"]
    assert labels["fraudops.io/detector"] == NAME


async def test_what_is_not_wanted_any_more_goes() -> None:
    world = World()
    world.kube.put(detector(scorer={}, autoscaling={"minReplicas": 2, "maxReplicas": 4}))
    await world.settle()
    assert ("HorizontalPodAutoscaler", SCORER) in world.children()
    world.change(autoscaling=None, scorer={"replicas": 3})
    await world.settle()
    assert ("HorizontalPodAutoscaler", SCORER) not in world.children()
    assert world.read(kinds.DEPLOYMENT, SCORER)["spec"]["replicas"] == 3


async def test_what_only_carries_our_label_is_not_pruned(world: World) -> None:
    world.kube.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "notes",
                "namespace": NAMESPACE,
                "labels": {"fraudops.io/detector": NAME},
            },
            "data": {"a": "b"},
        }
    )
    await world.settle()
    assert world.read(kinds.CONFIG_MAP, "notes")["data"] == {"a": "b"}


@pytest.mark.parametrize(("took", "unsaid"), [(1, 5), (20, 20), (100, 30)])
async def test_the_first_step_is_left_unsaid_for_as_long_as_it_took_to_get_there(
    took: float, unsaid: float
) -> None:
    slow = World(never_ends={"v1"}, view=StoreView())
    slow.kube.put(detector())
    await slow.settle()
    assert "conditions" not in slow.status, "the store was not looked at"
    slow.now = took
    slow.publish(version("v1"))
    await slow.until(lambda: _statuses(slow) > 0)
    assert slow.condition("Reconciling") == ("True", "WaitingForModel")
    assert slow.now - took == pytest.approx(unsaid, abs=1.5)


async def test_a_slow_detector_says_what_it_is_at() -> None:
    slow = World(never_ends={"v1"}, pending=True)
    slow.kube.put(detector())
    await slow.settle()
    assert slow.condition("Reconciling") == ("True", "WaitingForModel")
    slow.never_ends.clear()
    slow.kube.writes.clear()
    began = slow.now
    await slow.until(lambda: _statuses(slow) > 0)
    assert slow.condition("Reconciling") == ("True", "RollingOut")
    assert slow.now - began == pytest.approx(30, abs=1.5)
    slow.pending = False
    await slow.settle()
    assert slow.condition("Ready") == ("True", "Serving")


async def test_first_words_do_not_wait_for_long() -> None:
    stuck = World(pending=True)
    stuck.kube.put(detector())
    await stuck.until(lambda: "conditions" in stuck.status)
    assert stuck.now < 10
    assert stuck.condition("Ready")[0] == "Unknown"
    assert stuck.condition("Reconciling")[0] == "True"


def _statuses(world: World) -> int:
    return [write.verb for write in world.kube.writes].count("status")


async def test_trouble_never_waits() -> None:
    unfit = World(refused={"v1": "DigestMismatch"})
    unfit.kube.put(detector())
    await unfit.until(lambda: "conditions" in unfit.status)
    assert unfit.now < 1
    assert unfit.condition("Stalled")[0] == "True"


async def test_an_object_of_somebody_else_is_left_alone() -> None:
    world = World()
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SCORER, "namespace": NAMESPACE},
        "spec": {"ports": [{"port": 1}]},
    }
    world.kube.put(foreign)
    before = world.read(kinds.SERVICE, SCORER)
    world.kube.put(detector())
    await world.settle()
    assert world.read(kinds.SERVICE, SCORER) == before
    assert world.condition("Stalled") == ("True", "Conflict")
    assert ("Deployment", SCORER) in world.children(), "the others are not held up"
    assert await world.controller.reconcile(KEY) == 15, "nobody tells us when it goes"
    world.kube.remove(kinds.SERVICE, NAMESPACE, SCORER)
    again_after = await world.controller.reconcile(KEY)
    assert again_after is None, "nothing is in the way any more"
    await world.settle()
    assert world.condition("Stalled")[0] == "False"
    assert world.condition("Ready")[0] == "True"


async def test_children_of_a_former_detector_are_waited_for(world: World) -> None:
    """Deleted and made again at once, before the garbage collector came."""
    old = world.read(kinds.SERVICE, SCORER)["metadata"]["uid"]
    obj = detector()
    world.kube.remove(kinds.FRAUD_DETECTOR, NAMESPACE, NAME)
    world.kube.put(obj)
    await world.settle()
    assert world.read(kinds.SERVICE, SCORER)["metadata"]["uid"] != old
    assert world.condition("Ready")[0] == "True"


async def test_one_child_that_fails_does_not_hold_up_the_others() -> None:
    world = World()

    def before(write: Any) -> None:
        if write.kind == "PodDisruptionBudget":
            raise refusal(403, "Forbidden")

    world.kube.before = before
    world.kube.put(detector())
    await world.settle()
    assert ("Deployment", SCORER) in world.children()
    assert "PodDisruptionBudget" in str(world.status["conditions"])
    world.kube.before = lambda write: None
    await world.settle()
    assert ("PodDisruptionBudget", SCORER) in world.children()
    assert world.condition("Reconciling")[0] == "False"


async def test_pods_are_not_made_where_what_they_refer_to_could_not_be() -> None:
    world = World()

    def before(write: Any) -> None:
        if write.kind == "ConfigMap":
            raise refusal(500, "InternalError")

    world.kube.before = before
    world.kube.put(detector())
    await world.settle()
    assert ("Deployment", SCORER) not in world.children()
    assert ("Service", SCORER) in world.children()


async def test_a_rival_leads_to_contended_and_not_to_a_fight(world: World) -> None:
    def scale(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 7

    for _ in range(5):
        world.edit(kinds.DEPLOYMENT, SCORER, scale, "keda")
        end = world.now + 5
        while (wait := world.queue.wait()) is not None and world.now + wait <= end:
            world.now += wait
            key = world.queue.take()
            assert key is not None
            world.queue.done(key, await world.controller.work(key))
    assert len(world.events("DriftReverted")) == 3
    assert world.condition("Contended")[0] == "True"
    assert world.read(kinds.DEPLOYMENT, SCORER)["spec"]["replicas"] == 7
    message = next(c["message"] for c in world.status["conditions"] if c["type"] == "Contended")
    assert "keda" in message
    assert "spec.replicas" in message
    world.now += 300  # the rival has gone
    await world.settle()
    assert world.read(kinds.DEPLOYMENT, SCORER)["spec"]["replicas"] == 2
    assert "Contended" not in {one["type"] for one in world.status["conditions"]}


async def test_a_refused_version_is_persisted_and_moves_nothing(world: World) -> None:
    deployment = world.read(kinds.DEPLOYMENT, SCORER)
    world.refused["v2"] = "DigestMismatch"
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    assert world.status["model"]["activeVersion"] == "v1"
    assert world.status["model"]["quarantined"][0]["version"] == "v2"
    assert [one.version for one in world.ledger.values()] == ["v2"], "the store's, too"
    assert world.condition("Ready")[0] == "True"
    assert world.condition("ModelVerified")[0] == "False"
    assert world.read(kinds.DEPLOYMENT, SCORER) == deployment
    assert {tuple(pod.answered_by) for pod in world.pods.values()} == {("v1",)}


async def test_another_version_is_written_before_any_pod_hears_of_it(world: World) -> None:
    heard: list[tuple[int, ...]] = []

    def before(write: Any) -> None:
        if (write.verb, write.kind) == ("apply", "ConfigMap"):
            heard.append(tuple(pod.plan.serial for pod in world.pods.values() if pod.plan))

    world.kube.before = before
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    assert {tuple(pod.answered_by) for pod in world.pods.values()} == {("v1", "v2")}
    assert heard == [(1, 1), (2, 2)], "held by all, then active; each written before it is told"


async def test_a_restarted_operator_hears_a_verdict_once_it_knows_the_store(world: World) -> None:
    world.never_ends = {"v2"}
    strict = version("v2", day=2)
    world.publish(strict, version("v1"))
    await world.settle()
    job = next(name for name in jobs(world) if judged(world, name) == "v2")
    view, world.view = world.view, type(world.view)()
    world.never_ends = set()
    world.start()
    await world.settle()
    assert ("Job", job) in world.children(), "what judges a version goes on"
    world.view = view
    world.queue.add(KEY)
    await world.settle()
    assert {tuple(pod.answered_by) for pod in world.pods.values()} == {("v1", "v2")}
    record = json.loads(world.read(kinds.CONFIG_MAP, PLAN)["data"]["record.json"])
    (proof,) = [one for one in record["proofs"] if one["version"] == "v2"]
    assert proof["thresholds"] == {"review": "0.5", "decline": "0.9"}
    assert proof["published"]


async def test_a_verification_that_has_ended_is_left_to_the_cluster_to_remove(
    world: World,
) -> None:
    world.refused = {"v2": "GoldenMismatch"}
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    assert {judged(world, job) for job in jobs(world)} == {"v1", "v2"}
    for job in jobs(world):
        assert world.read(kinds.JOB, job)["spec"]["ttlSecondsAfterFinished"] == 3600
    assert not [write for write in world.kube.writes if write.verb == "delete"]
    record = world.read(kinds.CONFIG_MAP, PLAN)["data"]["record.json"]
    world.start()
    await world.settle()
    assert world.read(kinds.CONFIG_MAP, PLAN)["data"]["record.json"] == record, "heard once"
    for job in jobs(world):  # the cluster removes them
        world.kube.remove(kinds.JOB, NAMESPACE, job)
    world.kube.writes.clear()
    await world.settle()
    assert world.kube.writes == [], "nobody misses them"


async def test_a_verdict_by_rules_of_before_is_not_heard_again(world: World) -> None:
    """Its Job is still there when its version is released, and judged by others."""
    world.refused = {"v2": "InputsChanged"}
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    assert [one["version"] for one in world.status["model"]["quarantined"]] == ["v2"]
    world.refused = {}
    spec = world.read(kinds.FRAUD_DETECTOR, NAME)["spec"]["model"]
    world.change(model={**spec, "verification": {"allowInputChanges": True}})
    await world.settle()
    text = json.dumps({"id": "1", "action": "release", "version": "v2", "by": "a", "reason": "b"})

    def ask(obj: dict[str, Any]) -> None:
        obj["metadata"]["annotations"] = {"fraudops.io/request": text}

    world.edit(kinds.FRAUD_DETECTOR, NAME, ask, by="kubectl-fraud")
    await world.settle()
    assert world.status["model"]["activeVersion"] == "v2"
    assert "quarantined" not in world.status["model"]


async def test_a_lost_record_brings_no_refusal_back_that_a_later_try_took_back(
    world: World,
) -> None:
    """Its Job is still there, beside that of the try after it was released."""
    world.refused = {"v2": "GoldenMismatch"}
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    world.refused = {}
    text = json.dumps({"id": "1", "action": "release", "version": "v2", "by": "a", "reason": "b"})

    def ask(obj: dict[str, Any]) -> None:
        obj["metadata"]["annotations"] = {"fraudops.io/request": text}

    world.edit(kinds.FRAUD_DETECTOR, NAME, ask, by="kubectl-fraud")
    await world.settle()
    assert world.status["model"]["activeVersion"] == "v2"
    assert [judged(world, job) for job in jobs(world)].count("v2") == 2

    def lose(obj: dict[str, Any]) -> None:
        obj["data"].pop("record.json")

    world.edit(kinds.CONFIG_MAP, PLAN, lose, by="kubectl")
    await world.settle()
    assert world.status["model"]["activeVersion"] == "v2"
    assert "quarantined" not in world.status["model"]


async def test_a_detector_that_is_made_anew_hears_no_job_of_the_one_before(world: World) -> None:
    """Which may have stored what it proved elsewhere. The garbage collector takes it last."""
    (old,) = jobs(world)
    before = world.read(kinds.JOB, old)
    spec = world.read(kinds.FRAUD_DETECTOR, NAME)["spec"]
    world.kube.collect_garbage, collect = lambda: None, world.kube.collect_garbage
    world.kube.remove(kinds.FRAUD_DETECTOR, NAMESPACE, NAME)
    for kind in kinds.CHILDREN:
        for name in [name for of, name in world.children() if of == kind.kind != "Job"]:
            world.kube.remove(kind, NAMESPACE, name)
    world.kube.put(detector(**spec))
    await world.settle()
    assert jobs(world) == [old], "its place is taken"
    assert "activeVersion" not in world.status["model"]
    world.kube.collect_garbage = collect
    world.queue.add(KEY)
    await world.settle()
    (job,) = jobs(world)
    assert world.read(kinds.JOB, job)["metadata"]["uid"] != before["metadata"]["uid"]
    assert world.status["model"]["activeVersion"] == "v1"


async def test_a_verification_that_is_not_wanted_any_more_goes(world: World) -> None:
    world.never_ends = {"v2"}
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    assert "v2" in {judged(world, job) for job in jobs(world)}
    world.publish(version("v3", day=3), version("v1"))
    await world.settle()
    assert "v2" not in {judged(world, job) for job in jobs(world)}


async def test_who_decided_from_an_older_state_changes_nothing(world: World) -> None:
    """A leader that was paused, when its Lease was already another's."""
    paused = world.controller
    stale = ObjectStore(clock=lambda: world.now)
    for (_, namespace, name), stored in list(world.kube.objects.items()):
        if stored.kind in kinds.WATCHED:
            stale.put(stored.kind, world.kube.read(stored.kind, namespace, name))
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    plan = world.read(kinds.CONFIG_MAP, PLAN)
    told = {name: pod.plan for name, pod in world.pods.items()}

    ask(world, "rollback")
    stale.put(kinds.FRAUD_DETECTOR, world.read(kinds.FRAUD_DETECTOR, NAME))
    observer = Observer(stale, Secrets(world.kube), Tokens(world.kube), paused.fleet)
    late = replace(
        paused, store=stale, observer=observer, applier=Applier(world.kube, stale, Contention())
    )
    with pytest.raises(Conflict):
        await late.reconcile(KEY)
    assert world.read(kinds.CONFIG_MAP, PLAN) == plan
    assert {name: pod.plan for name, pod in world.pods.items()} == told


async def test_a_pod_that_stays_silent_leaves_the_service_until_it_confirms(world: World) -> None:
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    silent = sorted(world.pods)[0]
    world.pods[silent].hangs = True
    ask(world, "rollback")
    await world.settle()

    def out() -> list[str]:
        labels = {name: world.read(kinds.POD, name)["metadata"]["labels"] for name in world.pods}
        return [name for name, those in labels.items() if "fraudops.io/serving" not in those]

    assert out() == [silent]
    world.pods[silent].hangs = False
    world.queue.add(KEY)
    await world.settle()
    assert out() == []
    assert world.pods[silent].answered_by == ["v1", "v2", "v1"]


def ask(world: World, action: str) -> None:
    """What `kubectl fraud` writes."""

    def annotate(obj: dict[str, Any]) -> None:
        text = json.dumps({"id": action, "action": action})
        obj["metadata"]["annotations"] = {"fraudops.io/request": text}

    world.kube.edit(kinds.FRAUD_DETECTOR, NAMESPACE, NAME, annotate, by="kubectl-fraud")


async def test_the_good_template_is_the_very_same_after_a_rollback(world: World) -> None:
    before = world.read(kinds.DEPLOYMENT, SCORER)["spec"]["template"]
    world.refused["v2"] = "DigestMismatch"
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    assert world.read(kinds.DEPLOYMENT, SCORER)["spec"]["template"] == before


async def test_a_suspended_detector_is_left_alone(world: World) -> None:
    world.change(suspend=True)
    await world.settle()
    assert world.condition("Suspended")[0] == "True"
    assert world.stores.followed == {}
    world.kube.remove(kinds.SERVICE, NAMESPACE, SCORER)
    await world.settle()
    assert ("Service", SCORER) not in world.children()
    world.change(suspend=None)
    await world.settle()
    assert ("Service", SCORER) in world.children()


async def test_a_spec_that_cannot_be_read_changes_nothing_and_says_so(world: World) -> None:
    children = world.children()
    world.change(scorer={"replicas": "many"})
    await world.settle()
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert world.children() == children


async def test_a_status_that_was_lost_costs_no_child(world: World) -> None:
    """A backup restores objects without status, and the store has not been looked at yet."""
    before = world.children()
    world.kube.objects["FraudDetector", NAMESPACE, NAME].status = None
    view, world.view = world.view, type(world.view)()
    world.start()
    await world.settle()
    assert world.children() == before
    world.view = view
    world.queue.add(KEY)
    await world.settle()
    assert world.children() == before
    assert world.condition("Ready")[0] == "True"


async def test_deleting_leaves_nothing(world: World) -> None:
    world.kube.remove(kinds.FRAUD_DETECTOR, NAMESPACE, NAME)
    await world.settle()
    assert world.children() == set()
    assert world.store.known() == []
    assert world.stores.followed == {}


async def test_a_missing_secret_is_noticed_when_it_appears(world: World) -> None:
    s3 = {"bucket": "models", "endpoint": "http://s3", "credentialsSecret": "model-store"}
    world.change(model={"source": {"s3": s3}})
    await world.settle()
    assert world.condition("Stalled") == ("True", "ReferenceMissing")
    assert ("Deployment", SCORER) in world.children()
    world.kube.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "model-store", "namespace": NAMESPACE},
            "data": {"accessKeyID": "YQ==", "secretAccessKey": "Yg=="},
        }
    )
    await world.settle()
    assert world.condition("Stalled")[0] == "False"
    assert world.condition("Ready")[0] == "True"


async def test_a_volume_grows_without_anybody_being_blamed() -> None:
    world = World()
    postgres = {"managed": {"storage": "10Gi"}}
    world.kube.put(detector(redis={"managed": {}}, postgres=postgres))
    await world.settle()
    assert world.condition("Ready") == ("True", "Serving")
    was = world.read(kinds.STATEFUL_SET, f"{NAME}-postgres")["metadata"]["uid"]
    world.change(postgres={"managed": {"storage": "20Gi"}})
    await world.settle()
    made = world.read(kinds.STATEFUL_SET, f"{NAME}-postgres")
    assert made["metadata"]["uid"] != was
    (claim,) = made["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert world.events("DriftReverted") == []
    assert world.condition("Ready") == ("True", "Serving")
