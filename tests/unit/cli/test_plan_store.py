"""What a plan takes the model store to hold, and what it admits not to know."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, cast

import pytest

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.cli.planning import store as planning_store
from fraud_operator.cli.planning.foresight import Obedient
from fraud_operator.cli.planning.store import (
    Look,
    ReadableSecrets,
    ReadableTokens,
    look_at_store,
)
from fraud_operator.observe.observer import Observer
from fraud_operator.plan.types import StoreView
from fraud_operator.runtime import kinds
from fraud_operator.runtime.kube import Object
from fraud_scorer.artifact.store import AccessDenied, StoredFile
from tests.support.kube import FakeKube, refusal
from tests.support.world import KEY, NAME, NAMESPACE, World, detector, version

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "keys", "namespace": NAMESPACE},
    "data": {name: b64encode(b"x").decode() for name in ("accessKeyID", "secretAccessKey")},
}


def with_keys(**changes: Any) -> Object:
    manifest = detector(**changes)
    manifest["spec"]["model"]["source"]["s3"]["credentialsSecret"] = "keys"
    return manifest


@pytest.fixture
async def world() -> World:
    world = World()
    world.kube.put(SECRET)
    world.kube.put(with_keys())
    await world.settle()
    return world


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AccessDenied("the store does not let you in from here")

    monkeypatch.setattr(planning_store, "open_briefly", refuse)


def observer_of(world: World, secrets: ReadableSecrets) -> Observer:
    return Observer(world.store, secrets, ReadableTokens(world.kube), Obedient(None))


async def look(
    world: World, wanted: Object, given: dict[Any, Any] | None = None, *, skip: bool = False
) -> Look:
    exists = ("FraudDetector", NAMESPACE, NAME) in world.kube.objects
    live = world.read(kinds.FRAUD_DETECTOR, NAME) if exists else None
    parsed = FraudDetector.parse(wanted | {"status": live.get("status", {}) if live else {}})
    secrets = ReadableSecrets(world.kube, given or {})
    observed = await observer_of(world, secrets).look(KEY, parsed, wanted)
    return await look_at_store(parsed, live, observed, world.kube, secrets, skip=skip)


async def test_the_store_is_asked_with_the_detectors_keys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Store:
        def list_versions(self) -> list[str]:
            return []

        def list_files(self, prefix: str) -> Iterator[StoredFile]:
            return iter(())

    monkeypatch.setattr(planning_store, "open_briefly", lambda *_: Store())
    assert await look(world, with_keys()) == Look(StoreView((), listed=True))


async def test_a_change_that_does_not_touch_the_model_leaves_it_as_the_operator_decided(
    world: World, unreachable: None
) -> None:
    found = await look(world, with_keys(scorer={"replicas": 9}))
    assert found.view == StoreView()
    assert not found.placeholder
    assert found.assumed == [
        "The model store was not read (AccessDenied: the store does not let you in from here)."
        " Assumed: the detector stays at version v1, as the operator last decided."
    ]


@pytest.mark.parametrize(
    "model",
    [{"version": "v9"}, {"source": {"s3": {"bucket": "other", "credentialsSecret": "keys"}}}],
    ids=["a version that nobody has served", "another bucket"],
)
async def test_a_change_of_the_model_has_a_placeholder(
    world: World, unreachable: None, model: dict[str, Any]
) -> None:
    wanted = with_keys()
    wanted["spec"]["model"] |= model
    found = await look(world, wanted)
    assert found.placeholder
    assert "is shown as (known once the model store is read)" in found.assumed[0]


async def test_thresholds_that_are_taken_back_are_the_versions_own_and_not_known(
    world: World, unreachable: None
) -> None:
    world.change(scoring={"thresholds": {"review": "0.1", "decline": "0.2"}})
    await world.settle()
    assert (await look(world, with_keys())).placeholder


async def test_a_version_that_was_served_before_can_be_pinned(
    world: World, unreachable: None
) -> None:
    world.publish(version("v2", day=2), version("v1"))
    await world.settle()
    wanted = with_keys()
    wanted["spec"]["model"]["version"] = "v1"
    found = await look(world, wanted)
    assert (found.view, found.placeholder) == (StoreView(), False)


async def test_a_new_detector_has_a_placeholder(unreachable: None) -> None:
    world = World()
    world.kube.put(SECRET)
    found = await look(world, with_keys())
    assert found.placeholder
    assert "Assumed: it holds a version that is good." in found.assumed[0]


async def test_what_the_operator_could_not_read_either_is_told(
    world: World, unreachable: None
) -> None:
    world.view = StoreView(world.view.versions, "BucketMissing", "no bucket", listed=True)
    world.queue.add(KEY)
    await world.settle()
    found = await look(world, with_keys())
    assert (found.view.reason, found.view.message) == ("BucketMissing", "no bucket")
    assert found.assumed[0].endswith("The operator cannot read it either: BucketMissing.")


async def test_without_keys_and_role_the_operator_could_not_ask_either() -> None:
    world = World()
    found = await look(world, detector())
    assert found.view.reason == "CredentialsMissing"
    assert found.assumed == []


async def test_as_a_service_account_only_the_operator_can_ask() -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}
    found = await look(World(), detector(scorer={"serviceAccountAnnotations": role}))
    assert "only the detector's own ServiceAccount may ask it" in found.assumed[0]


async def test_a_suspended_detector_asks_nobody(world: World) -> None:
    assert await look(world, with_keys(suspend=True)) == Look(StoreView())


async def test_the_user_can_spare_the_store(world: World) -> None:
    assert "(--skip-store)" in (await look(world, with_keys(), skip=True)).assumed[0]


async def test_a_secret_in_the_same_file_counts_as_there(unreachable: None) -> None:
    given = {(NAMESPACE, "keys"): {"accessKeyID": "a", "secretAccessKey": "b"}}
    found = await look(World(), with_keys(), given)
    assert "AccessDenied" in found.assumed[0]


class Forbidden(FakeKube):
    async def get(self, kind: kinds.Kind, namespace: str, name: str) -> Object | None:
        if kind == kinds.SECRET:
            raise refusal(403, "Forbidden")
        return await super().get(kind, namespace, name)


async def test_a_secret_that_the_user_may_not_read_is_taken_to_be_right(world: World) -> None:
    world.kube = cast(FakeKube, Forbidden())
    secrets = ReadableSecrets(world.kube, {})
    observed = await observer_of(world, secrets).look(
        KEY, FraudDetector.parse(with_keys()), with_keys()
    )
    assert observed.problems == {}
    assert secrets.unread == [f"{NAMESPACE}/keys"]
