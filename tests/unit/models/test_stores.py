"""Stores are looked at in their interval; trouble keeps what was known and backs off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from fraud_operator.models.clients import Clients
from fraud_operator.models.identities import Access, Identities
from fraud_operator.models.look import CHECKED_EVERY
from fraud_operator.models.source import Asked, Source
from fraud_operator.models.stores import ModelStores
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key
from fraud_operator.plan.release.record import Entry
from fraud_operator.runtime.kinds import SECRET, Kind
from fraud_scorer.artifact.credentials import GoogleKey, Keys
from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.layout import quarantine_entry
from fraud_scorer.artifact.plan import GCSLocation, S3Location, StoreLocation, VolumeLocation
from fraud_scorer.artifact.store import AccessDenied, Store, StoredFile, StoreUnreachable
from tests.support.google import Tokens
from tests.support.kube import FakeKube
from tests.unit.models.test_look import MemoryStore
from tests.unit.models.test_source import secret

KEY = Key("fraud", "cards")


def at(bucket: str) -> Asked:
    return Asked(StoreLocation(s3=S3Location(bucket=bucket)), "model-store")


SOURCE = Source("fraud", at("models"), at("models"), 30)


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

    def open(self, location: StoreLocation, access: Access) -> Store:
        credentials = access.credentials
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


async def test_a_volume_that_is_away_is_asked_again_soon(world: World) -> None:
    """Its server is ours, and comes back within seconds; a bucket's owner is to be spared."""
    place = Asked(StoreLocation(volume=VolumeLocation(url="http://cards-models:8088")), "volume")
    source = Source("fraud", place, place, 30)
    assert not world.stores.follows(KEY)
    world.stores.follow(KEY, source)  # there is no such Secret yet
    assert world.stores.follows(KEY)
    await world.looked()
    assert world.stores.follow(KEY, source).reason == "CredentialsMissing"
    for _ in range(5):
        await world.tick()
    assert all(4.5 <= pause <= 5.5 for pause in world.pauses)


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
        world.stores.follow(
            Key("fraud", f"cards-{number}"), replace(SOURCE, versions=at(f"models-{number}"))
        )
        await world.looked(number + 1)
    assert world.kube.reads == 1
    world.now = 31
    world.stores.follow(KEY, replace(SOURCE, versions=at("more"), artifacts=at("more")))
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
    clients = Clients()

    def at(bucket: str, endpoint: str = "http://127.0.0.1:1", key: str = "key") -> Any:
        location = S3Location(bucket=bucket, prefix="cards/", endpoint=endpoint)
        return clients(StoreLocation(s3=location), Access(Keys("id", key)))

    first, second = at("models"), at("others")
    assert first._client is second._client
    assert repr(second) == "<S3Store s3://others/cards/>"
    assert at("models", key="another")._client is not first._client
    assert at("models", endpoint="http://127.0.0.1:2")._client is not first._client


def test_google_stores_of_one_key_share_a_client_within_a_thread() -> None:
    with Tokens() as tokens:
        access = Access(GoogleKey(tokens.key()))
    clients = Clients()

    def at(bucket: str) -> Any:
        return clients(StoreLocation(gcs=GCSLocation(bucket=bucket)), access)

    first, second = at("models"), at("others")
    assert first._client is second._client
    assert repr(second) == "<GCSStore gs://others/>"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(at, "models").result()._client is not first._client


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
    moved = replace(SOURCE, versions=at("elsewhere"), artifacts=at("elsewhere"))
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


async def test_detectors_with_the_same_source_share_its_looks(world: World) -> None:
    other = Key("fraud", "wires")
    world.stores.follow(KEY, SOURCE)
    world.stores.follow(other, SOURCE)
    await world.looked()
    assert world.bucket.asked["list"] == 1
    assert world.changed == [KEY, other]
    world.stores.forget(KEY)
    world.bucket.publish("v2", day=2)
    await world.tick()
    assert world.changed == [KEY, other, other]
    assert world.bucket.asked["list"] == 2


async def test_what_somebody_asked_for_is_looked_at_now(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.bucket.publish("v1", content="a")
    world.stores.look_now(KEY, "1")
    await world.looked(2)
    (found,) = world.stores.follow(KEY, SOURCE).versions
    assert found.manifest is not None
    assert found.manifest.digest == "sha256:" + "a" * 64


async def test_a_quiet_store_costs_one_request_a_look(world: World) -> None:
    for number in range(20):
        world.bucket.publish(f"v{number}", day=number)
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.bucket.asked.clear()
    for _ in range(CHECKED_EVERY):
        await world.tick()
    assert world.bucket.asked["list"] == CHECKED_EVERY
    assert sum(world.bucket.asked.values()) <= CHECKED_EVERY + 6


def entry(**changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "digest": "sha256:" + "a" * 64,
        "version": "v2",
        "reason": "GoldenMismatch",
        "message": "no",
        "since": "2026-01-01T00:00:00.000Z",
    }
    return Entry(**fields | changes)


def path_of(one: Entry) -> str:
    return quarantine_entry(one.digest, one.version)


async def test_the_quarantine_is_part_of_a_look(world: World) -> None:
    world.bucket.files[path_of(entry())] = canonical_json(entry())
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    assert world.stores.follow(KEY, SOURCE).ledger == (entry(),)


async def test_the_quarantine_is_read_again_before_what_is_new_is_told(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.bucket.files[path_of(entry())] = canonical_json(entry())
    world.bucket.publish("v2", day=2)
    await world.tick()
    assert world.stores.follow(KEY, SOURCE).ledger == (entry(),)


async def test_what_is_new_is_not_told_without_the_quarantine(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.bucket.files[path_of(entry())] = canonical_json(entry())
    world.bucket.publish("v2", day=2)
    there, world.bucket.list_files = world.bucket.list_files, away  # type: ignore[method-assign]
    await world.tick()
    view = world.stores.follow(KEY, SOURCE)
    assert [one.version for one in view.versions] == ["v1"]
    assert view.reason == "StoreUnreachable"
    world.bucket.list_files = there  # type: ignore[method-assign]
    await world.tick()
    view = world.stores.follow(KEY, SOURCE)
    assert [one.version for one in view.versions] == ["v2", "v1"]
    assert view.ledger == (entry(),)


def away(_: str) -> Iterator[StoredFile]:
    raise StoreUnreachable("away")


async def test_an_entry_that_cannot_be_read_still_forbids(world: World) -> None:
    world.bucket.files[path_of(entry())] = b"not JSON"
    world.bucket.files[".quarantine/README"] = b"not an entry"
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    (found,) = world.stores.follow(KEY, SOURCE).ledger
    assert (found.digest, found.version, found.refused) == (entry().digest, "v2", True)
    assert "release the version" in found.message


@pytest.mark.parametrize(
    "other", [entry(digest=""), entry(version="../../v1"), entry(digest="sha256:" + "b" * 64)]
)
async def test_an_entry_speaks_of_nothing_but_what_its_name_says(
    world: World, other: Entry
) -> None:
    """Or one file would forbid every version whose digest is not known yet."""
    world.bucket.files[path_of(entry())] = canonical_json(other)
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    (found,) = world.stores.follow(KEY, SOURCE).ledger
    assert (found.digest, found.version) == (entry().digest, "v2")


async def test_a_request_is_one_look(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    for request in ("1", "1", "2"):
        world.stores.look_now(KEY, request)
        await world.until(lambda: not world.stores._followers[SOURCE].woken.is_set())
    await world.looked(3)
    assert world.bucket.asked["list"] == 3


async def test_an_entry_is_written_where_what_is_proven_is_kept(world: World) -> None:
    proven = MemoryStore()
    source = replace(SOURCE, artifacts=at("proven"))
    by_bucket = {"models": world.bucket, "proven": proven}
    world.stores._open_store = lambda location, _: by_bucket[location.s3.bucket]  # type: ignore[union-attr]
    world.stores.follow(KEY, source)
    await world.looked()
    world.stores.record(KEY, [entry(), entry(version="v3")])
    await world.until(lambda: len(world.stores.follow(KEY, source).ledger) == 2)
    assert proven.files == {
        path_of(one): canonical_json(one) for one in (entry(), entry(version="v3"))
    }
    assert not world.bucket.asked["write"]
    assert world.changed == [KEY, KEY, KEY]


async def test_a_later_turn_is_not_written_over(world: World) -> None:
    released = entry(turn=2)
    world.bucket.files[path_of(released)] = canonical_json(released)
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.stores.record(KEY, [entry()])
    await world.until(lambda: not world.stores._followers[SOURCE].unwritten)
    assert world.stores.follow(KEY, SOURCE).ledger == (released,)
    world.stores.record(KEY, [entry(turn=3)])
    await world.until(lambda: world.stores.follow(KEY, SOURCE).ledger == (entry(turn=3),))


async def test_what_keeps_an_entry_from_being_written_is_told_and_tried_again(
    world: World,
) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    there, world.bucket.write = world.bucket.write, refuse  # type: ignore[method-assign]
    world.stores.record(KEY, [entry()])
    await world.until(lambda: world.stores.follow(KEY, SOURCE).ledger_problem)
    view = world.stores.follow(KEY, SOURCE)
    assert view.ledger_problem == "AccessDenied: these credentials may only read"
    assert (view.reason, view.ledger) == ("", ())
    world.stores.record(KEY, [entry()])
    assert world.stores._followers[SOURCE].writing.done(), "not at every reconciliation"  # type: ignore[union-attr]
    world.bucket.write = there  # type: ignore[method-assign]
    for _ in range(CHECKED_EVERY):
        await world.tick()
    await world.until(lambda: world.stores.follow(KEY, SOURCE).ledger == (entry(),))
    assert world.stores.follow(KEY, SOURCE).ledger_problem == ""


def refuse(*_: object) -> None:
    raise AccessDenied("these credentials may only read")


async def test_nothing_is_written_for_a_detector_that_is_gone(world: World) -> None:
    world.stores.follow(KEY, SOURCE)
    await world.looked()
    world.stores.forget(KEY)
    world.stores.record(KEY, [entry()])
    assert not world.bucket.asked["write"]
