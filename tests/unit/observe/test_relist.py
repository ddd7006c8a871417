"""Complete lists end what watches missed."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from fraud_operator.observe.relist import Relist
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.runtime.kinds import CONFIG_MAP, FRAUD_DETECTOR, WATCHED, Kind
from fraud_operator.runtime.kube import NotFound, Object
from tests.support.kube import FakeKube, refusal
from tests.support.world import KEY, NAME, NAMESPACE, detector


def config(name: str, namespace: str = NAMESPACE, *, ours: bool = True) -> Object:
    labels = {"fraudops.io/detector": NAME} if ours else {}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


class World:
    def __init__(self, *namespaces: str) -> None:
        self.kube, self.store = FakeKube(), ObjectStore()
        self.changed: list[Key] = []
        self.slept: list[float] = []
        self.relist = Relist(
            self.kube,
            self.store,
            namespaces,
            every=750,
            changed=self.changed.append,
            sleep=self.sleep,
            rng=Random(1),
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


async def test_the_first_lists_make_the_view_complete() -> None:
    world = World()
    world.kube.put(detector())
    world.kube.put(config("plan"))
    world.kube.put(config("foreign", ours=False))
    await world.relist.all()
    assert world.store.detectors() == [KEY]
    assert set(world.store.children(KEY)) == {("ConfigMap", "plan")}
    assert set(world.changed) == {KEY}
    world.changed.clear()
    await world.relist.all()
    assert world.changed == []


async def test_a_ghost_is_ended_and_told() -> None:
    world = World()
    world.kube.put(config("plan"))
    await world.relist.all()
    world.changed.clear()
    world.kube.remove(CONFIG_MAP, NAMESPACE, "plan")  # and no watch says so
    await world.relist.all()
    assert world.changed == [KEY]
    assert world.store.known() == []


async def test_only_the_named_namespaces_are_listed() -> None:
    world = World("a", "b")
    for namespace in "abc":
        world.kube.put(config("plan", namespace))
    await world.relist.all()
    assert {key.namespace for key in world.store.known()} == {"a", "b"}


async def test_lists_are_spread_and_survive_trouble() -> None:
    world = World()
    failed: list[str] = []
    honest = world.kube.list

    async def sometimes(
        kind: Kind, namespace: str | None, *, label_selector: str = ""
    ) -> tuple[list[Object], str]:
        if kind == CONFIG_MAP and not failed:
            failed.append(kind.kind)
            raise refusal(503, "ServiceUnavailable")
        return await honest(kind, namespace, label_selector=label_selector)

    world.kube.list = sometimes  # type: ignore[method-assign]
    world.kube.put(config("plan"))
    running = asyncio.create_task(world.relist.run())
    for _ in range(100):
        await asyncio.sleep(0)
        if world.store.known():
            break
    running.cancel()
    assert failed
    assert world.store.known() == [KEY]
    assert all(600 <= seconds <= 900 for seconds in world.slept)
    assert len({round(seconds) for seconds in world.slept[: len(WATCHED)]}) > 3


async def test_a_missing_crd_is_told() -> None:
    world = World()

    async def missing(
        kind: Kind, namespace: str | None, *, label_selector: str = ""
    ) -> tuple[list[Object], str]:
        assert kind == FRAUD_DETECTOR
        raise refusal(404, "NotFound")

    world.kube.list = missing  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        await world.relist.all()
