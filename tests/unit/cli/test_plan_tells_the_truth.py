"""What `kubectl fraud plan` says of a change is what the operator then does, field by field."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from fraud_operator.cli.access import Access
from fraud_operator.cli.exits import Exit
from fraud_operator.cli.planning.children import ONLY_RECORDS, RECORDS
from fraud_operator.cli.planning.detector import Planner
from fraud_operator.cli.planning.differences import Difference, differences
from fraud_operator.cli.planning.files import Files
from fraud_operator.cli.planning.operator import Operator
from fraud_operator.cli.planning.report import Report
from fraud_operator.cli.planning.resource import How
from fraud_operator.cli.planning.store import Look
from fraud_operator.plan.types import OperatorDefaults
from fraud_operator.runtime import kinds
from fraud_operator.runtime.kube import Object
from tests.support.dry_run import FakeAccess
from tests.support.world import IMAGE, KEY, NAME, NAMESPACE, SCORER, World, detector, version

Children = dict[tuple[str, str], Object]
Spec = dict[str, Any]


@pytest.fixture
async def world() -> World:
    world = World()
    world.kube.put(detector())
    await world.settle()
    return world


async def planned(world: World, manifest: Object) -> Report:
    """The plan of applying `manifest` to that world, whose store can be read."""

    async def look(*_: Any, **__: Any) -> Look:
        return Look(world.view)

    planner = Planner(
        api=cast(Access, FakeAccess(world.kube)),
        files=Files([manifest]),
        how=How(),
        operator=Operator(OperatorDefaults(IMAGE), (), ()),
        skip_store=False,
        look_at_store=look,
    )
    return await planner.report(manifest)


def children(world: World) -> Children:
    return {
        (kind.kind, name): world.kube.read(kind, NAMESPACE, name)
        for kind in kinds.CHILDREN
        for of, _, name in world.kube.objects
        if of == kind.kind
    }


def changed(before: Children, after: Children) -> dict[tuple[str, str], set[Difference | str]]:
    """What really happened to each child."""
    found: dict[tuple[str, str], set[Difference | str]] = {}
    for child in before.keys() | after.keys():
        if child not in before or child not in after:
            found[child] = {"create" if child in after else "remove"}
        elif fields := differences(before[child], after[child]):
            shown = [one for one in fields if one.path not in RECORDS]
            found[child] = {str(one) for one in shown} or {ONLY_RECORDS}
    return found


def foretold(report: Report) -> dict[tuple[str, str], set[Difference | str]]:
    """What the plan says will."""
    found: dict[tuple[str, str], set[Difference | str]] = {}
    for child in report.children:
        if child.action == "change":
            said = {str(one) for one in child.fields}
            found[child.kind, child.name] = said or {child.message}
        elif child.action != "none":
            found[child.kind, child.name] = {child.action}
    return found


CHANGES: dict[str, Spec] = {
    "nothing": {},
    "more pods": {"scorer": {"replicas": 5}},
    "no pods": {"scorer": {"replicas": 0}},
    "a variable": {"scorer": {"replicas": 2, "extraEnv": [{"name": "A", "value": "b"}]}},
    "another image": {"scorer": {"replicas": 2, "image": "registry.example/scorer:2"}},
    "more traffic": {"capacity": {"transactionsPerDay": "10M"}},
    "more traffic, sized by the table": {"capacity": {"transactionsPerDay": "10M"}, "scorer": None},
    "an autoscaler": {"scorer": None, "autoscaling": {"minReplicas": 3, "maxReplicas": 6}},
    "thresholds": {"scoring": {"thresholds": {"review": "0.4", "decline": "0.8"}}},
    "reasons": {"scoring": {"reasons": 1}},
    "drains": {"scorer": {"replicas": 2, "maxUnavailable": 1}},
    "a role": {
        "scorer": {
            "replicas": 2,
            "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"},
        }
    },
    "a rest": {"suspend": True},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_of_the_spec(world: World, change: Spec) -> None:
    manifest = detector(**change)
    removed = [field for field, value in change.items() if value is None]
    for field in removed:
        del manifest["spec"][field]
    applied_before(world, *removed)
    report = await planned(world, manifest)
    before = children(world)
    world.change(**change)
    await world.controller.reconcile(KEY)
    assert foretold(report) == changed(before, children(world))
    assert report.problems == []
    assert report.verdict == (Exit.FOUND if change else Exit.OK)


async def test_taking_an_autoscaler_away(world: World) -> None:
    world.change(scorer=None, autoscaling={"minReplicas": 3, "maxReplicas": 6})
    await world.settle()
    applied_before(world, "autoscaling")
    report = await planned(world, detector(scorer={"replicas": 4}))
    before = children(world)
    world.change(scorer={"replicas": 4}, autoscaling=None)
    await world.controller.reconcile(KEY)
    assert foretold(report) == changed(before, children(world))
    assert ("HorizontalPodAutoscaler", SCORER) in foretold(report)


async def test_a_detector_that_does_not_exist_yet() -> None:
    world = World()
    report = await planned(world, detector())
    assert world.kube.objects == {}
    world.kube.put(detector())
    await world.settle()
    said = foretold(report)
    (job,) = [child for child in said if child[0] == "Job"]
    # Secrets are no children that are listed.
    del said["Secret", f"{NAME}-management"]
    assert said == changed({}, children(world))
    assert report.models[0].startswith(f"version v1 is verified first by Job {job[1]}")
    assert report.models[1].startswith("version v1")
    assert report.pods.wanted_after == 2
    assert report.pods.restart == ()


async def test_what_somebody_changed_by_hand_comes_back(world: World) -> None:
    world.queue.take = lambda: None  # type: ignore[method-assign]  # the operator is not there
    world.edit(kinds.SERVICE, SCORER, lambda obj: obj["spec"].update(type="NodePort"), by="alice")
    report = await planned(world, detector())
    assert foretold(report) == {
        ("Service", SCORER): {str(Difference("spec.type", "change", "NodePort", "ClusterIP"))}
    }


async def test_a_pinned_version_is_rolled_out(world: World) -> None:
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    manifest = detector()
    manifest["spec"]["model"]["version"] = "v1"
    report = await planned(world, manifest)
    before = children(world)
    world.change(model=manifest["spec"]["model"])
    await world.controller.reconcile(KEY)
    assert foretold(report) == changed(before, children(world))
    assert [one for one in report.models if "v2 gives way to v1" in one]
    assert report.pods.restart == ()


async def test_an_object_of_somebody_else_is_in_the_way() -> None:
    world = World()
    world.kube.put(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SCORER, "namespace": NAMESPACE},
            "spec": {"ports": [{"port": 80}]},
        }
    )
    report = await planned(world, detector())
    assert report.verdict == Exit.ERROR
    assert "belongs to nobody that we know of: rename or delete it" in report.problems[0]
    actions = {(child.kind, child.action) for child in report.children}
    assert ("Service", "refused") in actions
    assert ("Deployment", "create") in actions


async def test_a_secret_that_is_not_there_is_a_problem(world: World) -> None:
    manifest = detector(
        scorer={
            "replicas": 2,
            "extraEnv": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "nope", "key": "a"}}}
            ],
        }
    )
    report = await planned(world, manifest)
    assert report.verdict == Exit.ERROR
    assert "ReferenceMissing" in report.problems[0]
    assert f"Secret {NAMESPACE}/nope does not exist" in report.problems[0]
    assert foretold(report) == {}


async def test_planning_writes_nothing(world: World) -> None:
    world.kube.writes.clear()
    before = world.kube.state()
    await planned(world, detector(scorer={"replicas": 9}, autoscaling=None))
    assert world.kube.writes == []
    assert world.kube.state() == before


def applied_before(world: World, *fields: str) -> None:
    """kubectl applied `fields` the last time: a file without them removes them."""
    applied = json.dumps({"spec": {field: {} for field in fields}})
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    live = world.kube.objects["FraudDetector", NAMESPACE, NAME]
    live.leaves["f:metadata", "f:annotations", f"f:{annotation}"] = applied


STORES: Spec = {"redis": {"managed": {}}, "postgres": {"managed": {"storage": "10Gi"}}}


async def test_stores_that_come_and_the_pods_that_follow(world: World) -> None:
    report = await planned(world, detector(**STORES))
    before = children(world)
    world.change(**STORES)
    await world.settle()
    happened = changed(before, children(world))
    said = foretold(report)
    assert said["Deployment", SCORER] == happened["Deployment", SCORER]
    secrets = {child for child in said if child[0] == "Secret"}
    assert secrets == {
        ("Secret", f"{NAME}-{name}") for name in ("redis-auth", "postgres-app", "postgres-owner")
    }
    jobs = {child for child in happened if child[0] == "Job"}
    assert said.keys() - secrets == happened.keys() - jobs
    assert report.problems == []


async def test_a_volume_that_grows(world: World) -> None:
    world.change(**STORES)
    await world.settle()
    claim = f"data-{NAME}-postgres-0"
    postgres = {"managed": {"storage": "20Gi"}}
    report = await planned(world, detector(**{**STORES, "postgres": postgres}))
    said = foretold(report)["PersistentVolumeClaim", claim]
    (field,) = said
    assert "spec.resources.requests.storage" in str(field)
    world.change(postgres=postgres)
    await world.controller.reconcile(KEY)
    made = world.read(kinds.CLAIM, claim)
    assert made["spec"]["resources"]["requests"]["storage"] == "20Gi"


async def test_what_data_cannot_be_made_to_do(world: World) -> None:
    world.change(**STORES)
    await world.settle()
    postgres = {"managed": {"storage": "5Gi"}}
    report = await planned(world, detector(**{**STORES, "postgres": postgres}))
    assert "a volume cannot shrink" in report.problems[0]
    assert not any(kind == "StatefulSet" for kind, _ in foretold(report))
