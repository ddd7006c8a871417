"""Stores are looked at in their interval; trouble keeps what was known and backs off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from fraud_operator.models.source import Identities, Source
from fraud_operator.models.stores import ModelStores, S3Stores
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key
from fraud_operator.runtime.kinds import SECRET, Kind
from fraud_scorer.artifact.credentials import Credentials, Keys
from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.store import AccessDenied, Store
from tests.support.kube import FakeKube
from tests.unit.models.test_look import MemoryStore
from tests.unit.models.test_source import secret

KEY = Key("fraud", "cards")
SOURCE = Source("fraud", "u-1", S3Location(bucket="models"), "model-store", "cards-scorer", "", 30)


class CountingKube(FakeKube):
    """Counts what is read."""

    reads = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        self.reads += 1
        return await super().get(kind, namespace, name)


class World:
    """One bucket for everybody; time passes when `tick` or `now` says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.kube = CountingKube()
        self.kube.put(secret(accessKeyID="id", secretAccessKey="key"))
        self.bucket = MemoryStore()
        self.bucket.publish("v1")
        self.opened: list[Keys] = []
        self.changed: list[Key] = []
        self.pauses: list[float] = []
        self._sleepers: list[asyncio.Event] = []
        self._executor = ThreadPoolExecutor(2)
        self.stores = ModelStores(
            Identities(self.kube, Secrets(self.kube)),
            self._executor,
            self.changed.append,
            open_store=self.open,
            sleep=self.sleep,
            rng=Random(1),
            clock=lambda: self.now,
        )

    def open(self, location: S3Location, credentials: Credentials) -> Store:
        assert isinstance(credentials, Keys)
        self.opened.append(credentials)
        if credentials.access_key_id == "wrong":
            raise AccessDenied("these credentials are refused")
        return self.bucket

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        sleeper = asyncio.Event()
        self._sleepers.append(sleeper)
        await sleeper.wait()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - waits for a thread
                await asyncio.sleep(0.001)

    async def tick(self) -> None:
        """All pauses end; return when the next ones have begun."""
        count = len(self.pauses)
        sleepers, self._sleepers = self._sleepers, []
        for sleeper in sleepers:
            sleeper.set()
        await self.until(lambda: len(self.pauses) >= count + len(sleepers))

    async def looked(self, times: int = 1) -> None:
        await self.until(lambda: len(self.pauses) >= times)

    async def close(self) -> None:
        await self.stores.close()
        self._executor.shutdown()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()


async def test_the_first_look_is_under_way_at_once(world: World) -> None:
    view = world.stores.follow(KEY, SOURCE)
    assert not view.listed
    await world.looked()
    assert world.changed == [KEY]
    view = world.stores.follow(KEY, SOURCE)
    assert view.listed
    assert [version.version for version in view.versions] == ["v1"]


async def test_looks_are_spread_around_the_interval(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    for _ in range(5):
        await world.tick()
    assert all(27 <= pause <= 33 for pause in world.pauses)
    assert len(set(world.pauses)) == len(world.pauses)
    assert world.changed == [KEY], "nothing new was told as news"


async def test_a_new_version_is_told(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.bucket.publish("v2", day=2)
    await world.tick()
    assert world.changed == [KEY, KEY]
    versions = world.stores.follow(KEY, SOURCE).versions
    assert [version.version for version in versions] == ["v2", "v1"]


async def test_trouble_keeps_what_was_known_and_backs_off(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.bucket.away = True
    for _ in range(6):
        await world.tick()
    view = world.stores.follow(KEY, SOURCE)
    assert [version.version for version in view.versions] == ["v1"]
    assert (view.reason, view.message) == ("StoreUnreachable", "away")
    assert world.changed == [KEY, KEY]
    backoffs = [round(pause / 30) for pause in world.pauses[1:]]
    assert backoffs == sorted(backoffs)
    assert max(world.pauses) <= 132
    world.bucket.away = False
    await world.tick()
    assert world.stores.follow(KEY, SOURCE).reason == ""
    assert 27 <= world.pauses[-1] <= 33


async def test_a_missing_secret_is_told_and_waking_helps(world: World) -> None:
    world.kube.remove(SECRET, "fraud", "model-store")
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    assert world.stores.follow(KEY, SOURCE).reason == "CredentialsMissing"
    world.kube.put(secret(accessKeyID="id", secretAccessKey="key"))
    world.stores.wake(KEY)
    await world.until(lambda: not world.stores.follow(KEY, SOURCE).reason)


async def test_waking_a_healthy_store_does_nothing(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    looks = world.bucket.asked["list"]
    world.stores.wake(KEY)
    await asyncio.sleep(0.01)
    assert world.bucket.asked["list"] == looks


async def test_rotated_keys_are_taken_after_a_refusal(world: World) -> None:
    world.kube.put(secret(accessKeyID="wrong", secretAccessKey="key"))
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    assert world.stores.follow(KEY, SOURCE).reason == "AccessDenied"
    world.kube.put(secret(accessKeyID="new", secretAccessKey="key"))
    await world.tick()
    assert world.stores.follow(KEY, SOURCE).reason == ""
    assert [keys.access_key_id for keys in world.opened] == ["wrong", "new"]


async def test_unchanged_keys_are_read_now_and_then(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    for _ in range(25):
        await world.tick()
    assert len(set(world.opened)) == 1
    assert world.kube.reads == 3


async def test_detectors_that_name_one_secret_share_a_reading_of_it(world: World) -> None:
    for number in range(5):
        world.stores.follow(Key("fraud", f"cards-{number}"), replace(SOURCE, uid=f"u-{number}"))
        await world.looked(number + 1)
    assert world.kube.reads == 1
    world.now = 31
    world.stores.follow(KEY, SOURCE)
    await world.looked(6)
    assert world.kube.reads == 2


async def test_a_secret_of_that_name_in_another_namespace_is_another(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.stores.follow(Key("other", "cards"), replace(SOURCE, namespace="other"))
    await world.looked(2)
    other = world.stores.follow(Key("other", "cards"), replace(SOURCE, namespace="other"))
    assert other.reason == "CredentialsMissing"


def test_stores_of_one_server_and_one_key_share_a_client() -> None:
    stores = S3Stores()
    here = S3Location(bucket="models", prefix="cards/", endpoint="http://127.0.0.1:1")
    there = S3Location(bucket="others", prefix="wires/", endpoint="http://127.0.0.1:1")
    first, second = stores(here, Keys("id", "key")), stores(there, Keys("id", "key"))
    assert (first.location, second.location) == (here, there)
    assert first._client is second._client
    assert repr(second) == "<S3Store s3://others/wires/>"
    assert stores(here, Keys("id", "another key"))._client is not first._client
    elsewhere = S3Location(bucket="models", prefix="cards/", endpoint="http://127.0.0.1:2")
    assert stores(elsewhere, Keys("id", "key"))._client is not first._client


async def test_keys_that_rotate_without_a_refusal_are_taken_in_time(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.kube.put(secret(accessKeyID="new", secretAccessKey="key"))
    for _ in range(10):
        await world.tick()
    assert world.opened[-1].access_key_id == "new"


async def test_another_source_begins_anew(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    moved = replace(SOURCE, location=S3Location(bucket="elsewhere"))
    assert not world.stores.follow(KEY, moved).listed
    await world.looked(2)
    assert world.stores.follow(KEY, moved).listed


async def test_a_forgotten_detector_is_not_looked_up_any_more(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.stores.forget(KEY)
    looks = world.bucket.asked["list"]
    for sleeper in world._sleepers:
        sleeper.set()
    await asyncio.sleep(0.01)
    assert world.bucket.asked["list"] == looks


async def test_a_bug_in_a_look_is_a_reason_and_not_the_end(world: World) -> None:
    def broken() -> list[str]:
        raise RuntimeError("surprise")

    world.bucket.list_versions = broken  # type: ignore[method-assign]
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    assert world.stores.follow(KEY, SOURCE).reason == "StoreError"
