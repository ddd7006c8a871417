"""A user with fewer rights than the operator still gets a plan, which says what nobody checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from fraud_operator.cli.access import Access
from fraud_operator.cli.exits import Exit, Failure
from fraud_operator.cli.planning.detector import Planner
from fraud_operator.cli.planning.files import Files
from fraud_operator.cli.planning.operator import UNKNOWN_IMAGE, Operator
from fraud_operator.cli.planning.report import Report
from fraud_operator.cli.planning.resource import How
from fraud_operator.cli.planning.store import Look
from fraud_operator.plan.types import OperatorDefaults
from fraud_operator.runtime import kinds
from fraud_operator.runtime.kube import ApiError, Object
from tests.support.dry_run import DryRuns, FakeAccess
from tests.support.world import IMAGE, SCORER, World, detector


def forbidden(verb: str, what: str) -> ApiError:
    said = f'{what} is forbidden: User "alice" cannot {verb} resource "{what}" in API group ""'
    return ApiError(403, "Forbidden", said, f"{verb} {what}")


class NoWrites(DryRuns):
    """Alice may look."""

    async def apply(self, manifest: Mapping[str, Any], **_: Any) -> Object:
        raise forbidden("patch", manifest["kind"])

    async def delete(self, kind: kinds.Kind, *_: Any, **__: Any) -> None:
        raise forbidden("delete", kind.plural)


class NoReads(DryRuns):
    """Alice may not even look at pods."""

    async def list(self, kind: kinds.Kind, *_: Any, **__: Any) -> tuple[list[Object], str]:
        if kind == kinds.POD:
            raise forbidden("list", "pods")
        return await super().list(kind, *_, **__)


class Quota(DryRuns):
    """Nobody gets another Service here."""

    async def apply(self, manifest: Mapping[str, Any], **how: Any) -> Object:
        if manifest["kind"] == "Service":
            raise ApiError(403, "Forbidden", "exceeded quota: services", "apply")
        return await super().apply(manifest, **how)


async def planned(
    world: World,
    manifest: Object,
    client: type[DryRuns] = DryRuns,
    operator: Operator | None = None,
) -> Report:
    async def look(*_: Any, **__: Any) -> Look:
        return Look(world.view)

    access = FakeAccess(world.kube)
    access.kube = client(world.kube)
    planner = Planner(
        api=cast(Access, access),
        files=Files([manifest]),
        how=How(),
        operator=operator or Operator(OperatorDefaults(IMAGE), (), ()),
        skip_store=False,
        look_at_store=look,
    )
    return await planner.report(manifest)


@pytest.fixture
async def world() -> World:
    world = World()
    world.kube.put(detector())
    await world.settle()
    return world


async def test_what_the_user_may_not_try_is_computed_and_marked(world: World) -> None:
    report = await planned(world, detector(scorer={"replicas": 5}), NoWrites)
    (deployment,) = [one for one in report.children if one.action == "change"]
    assert (deployment.kind, deployment.checked) == ("Deployment", False)
    assert 'User "alice" cannot patch resource' in deployment.message
    assert ("spec.replicas", 2, 5) in [
        (one.path, one.before, one.after) for one in deployment.fields
    ]
    assert report.problems == []
    assert report.verdict == Exit.FOUND


async def test_children_of_a_new_detector_are_all_told_though_nothing_can_be_tried() -> None:
    report = await planned(World(), detector(), NoWrites)
    assert [(one.kind, one.action, one.checked) for one in report.children] == [
        ("ConfigMap", "create", False),
        ("ServiceAccount", "create", False),
        ("Secret", "create", False),
        ("Service", "create", False),
        ("Service", "create", False),
        ("PodDisruptionBudget", "create", False),
        ("ControllerRevision", "create", False),
        ("Job", "create", False),
        ("Deployment", "create", False),
    ]
    assert report.verdict == Exit.FOUND


async def test_a_child_that_goes_goes_though_the_user_may_not_delete_it(world: World) -> None:
    leftover = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "leftover",
            "namespace": "fraud",
            "labels": {"fraudops.io/detector": "cards"},
            "ownerReferences": world.read(kinds.SERVICE, SCORER)["metadata"]["ownerReferences"],
        },
    }
    world.queue.take = lambda: None  # type: ignore[method-assign]
    world.kube.put(leftover)
    report = await planned(world, detector(), NoWrites)
    assert ("leftover", "remove") in [(one.name, one.action) for one in report.children]
    assert "ConfigMap leftover can be deleted was not checked" in report.assumed[0]


async def test_what_cannot_be_read_cannot_be_planned(world: World) -> None:
    with pytest.raises(Failure, match='User "alice" cannot list resource "pods"'):
        await planned(world, detector(), NoReads)


async def test_a_quota_is_the_operators_problem_too() -> None:
    report = await planned(World(), detector(), Quota)
    assert report.verdict == Exit.ERROR
    assert "exceeded quota: services" in report.problems[0]
    actions = {one.kind: one.action for one in report.children}
    assert (actions["Service"], actions["Deployment"]) == ("refused", "create")


class Webhook(DryRuns):
    """Somebody's webhook has side effects."""

    async def apply(self, manifest: Mapping[str, Any], **how: Any) -> Object:
        said = 'admission webhook "audit.example" does not support dry run'
        raise ApiError(400, "BadRequest", said, "apply")


async def test_a_webhook_that_takes_no_dry_runs_is_no_refusal(world: World) -> None:
    report = await planned(world, detector(scorer={"replicas": 5}), Webhook)
    (deployment,) = [one for one in report.children if one.action == "change"]
    assert (deployment.checked, report.problems) == (False, [])
    assert "does not support dry run" in deployment.message


async def test_a_namespace_that_nobody_looks_after_is_a_problem() -> None:
    elsewhere = Operator(OperatorDefaults(IMAGE), ("payments",), ())
    report = await planned(World(), detector(), operator=elsewhere)
    assert "looks after payments and not after fraud" in report.problems[0]
    assert report.verdict == Exit.ERROR


async def test_an_image_that_nobody_knows_is_not_made_up() -> None:
    unknown = Operator(OperatorDefaults(UNKNOWN_IMAGE), (), ())
    report = await planned(World(), detector(), operator=unknown)
    assert UNKNOWN_IMAGE not in str(report.as_json())
    images = [
        one.after for child in report.children for one in child.fields if one.path.endswith("image")
    ]
    assert set(images) == {"(the operator's default image)"}
    assert "--scorer-image says it" in report.assumed[-1]
