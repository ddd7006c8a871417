"""What one look at a store costs, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fraud_operator.models.look import Looker
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Framework,
    Golden,
    Manifest,
    Thresholds,
)
from fraud_scorer.artifact.store import FileMissing, StoreUnreachable


def manifest(version: str, *, day: int, content: str = "0") -> Manifest:
    return Manifest(
        schema_version=1,
        model="cards",
        version=version,
        created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day),
        framework=Framework(name="scikit-learn", version="1.9.0", python="3.13"),
        engine=Engine(format="fdm", version=1),
        files=(FileRef(path="model.fdm", sha256=content * 64, size=1, role="model"),),
        features=(Feature(name="amount", type="number"),),
        golden=(Golden(features={"amount": 1.0}, score=0.5),),
        thresholds=Thresholds(review="0.5", decline="0.9"),
    )


class MemoryStore:
    """A store in a dict; counts what it is asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.away = False

    def publish(self, version: str, *, day: int = 1, content: str = "0") -> None:
        found = manifest(version, day=day, content=content)
        self.files[f"{version}/manifest.json"] = manifests.encode(found)

    def list_versions(self) -> list[str]:
        self.asked["list"] += 1
        if self.away:
            raise StoreUnreachable("away")
        return sorted({path.split("/")[0] for path in self.files})

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        if path not in self.files:
            raise FileMissing("no such file", file=path)
        etag = str(hash(self.files[path]))
        if etag == unless:
            self.asked["unchanged"] += 1
            return None
        self.asked["read"] += 1
        return self.files[path], etag

    def open(self, path: str) -> Iterator[bytes]:
        raise NotImplementedError

    def create(self, path: str, source: Path | bytes) -> None:
        raise NotImplementedError


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def names(looker: Looker, store: MemoryStore) -> list[str]:
    return [version.version for version in looker.look(store)]


def test_newest_first_by_creation_and_not_by_name(store: MemoryStore) -> None:
    store.publish("a", day=3)
    store.publish("z", day=1)
    store.publish("m", day=2)
    assert names(Looker(), store) == ["a", "m", "z"]


def test_an_upload_under_way_is_no_version(store: MemoryStore) -> None:
    store.publish("v1")
    store.files["v2/model.fdm"] = b"..."
    looker = Looker()
    assert names(looker, store) == ["v1"]
    store.publish("v2", day=2)
    assert names(looker, store) == ["v2", "v1"]


def test_a_damaged_manifest_is_told_with_what_to_do(store: MemoryStore) -> None:
    store.publish("v1")
    store.files["v2/manifest.json"] = b'{"schemaVersion": 1, "oops": true}'
    good, bad = Looker().look(store)
    assert good.version == "v1"
    assert (bad.version, bad.manifest) == ("v2", None)
    assert "v2/manifest.json" in bad.problem
    assert "publish the model again under a new version" in bad.problem


def test_a_version_that_was_never_compiled_is_told_how(store: MemoryStore) -> None:
    store.publish("v1")
    published = store.files.pop("v1/manifest.json")
    store.files["v1/manifest.json"] = published.replace(b'"role": "model"', b'"role": "source"')
    (bad,) = Looker().look(store)
    assert bad.manifest is None
    assert "which `fraud-scorer publish` makes where they were trained" in bad.problem


def test_a_manifest_in_the_wrong_folder_is_damaged(store: MemoryStore) -> None:
    store.publish("v1")
    store.files["v9/manifest.json"] = store.files["v1/manifest.json"]
    versions = {version.version: version for version in Looker().look(store)}
    assert versions["v9"].manifest is None


def test_a_quiet_store_costs_a_listing_and_a_few_conditional_reads(store: MemoryStore) -> None:
    for number in range(50):
        store.publish(f"v{number:02}", day=number)
    looker = Looker()
    looker.look(store)
    assert store.asked == {"list": 1, "read": 50}
    store.asked.clear()
    looker.look(store)
    assert store.asked == {"list": 1, "unchanged": 5}


def test_every_manifest_is_looked_at_again_in_turn(store: MemoryStore) -> None:
    for number in range(12):
        store.publish(f"v{number:02}", day=number)
    looker = Looker()
    looker.look(store)
    store.publish("v03", day=3, content="a")  # overwritten, which nobody should do
    for _ in range(4):
        looker.look(store)
    found = {one.version: one.manifest for one in looker.look(store)}
    assert found["v03"] is not None
    assert found["v03"].digest == "sha256:" + "a" * 64


def test_the_newest_is_looked_at_again_at_once(store: MemoryStore) -> None:
    for number in range(12):
        store.publish(f"v{number:02}", day=number)
    looker = Looker()
    looker.look(store)
    store.files["v11/manifest.json"] = b"damaged"
    assert looker.look(store)[-1].problem


def test_what_is_gone_is_gone(store: MemoryStore) -> None:
    store.publish("v1")
    store.publish("v2", day=2)
    looker = Looker()
    looker.look(store)
    del store.files["v2/manifest.json"]
    assert names(looker, store) == ["v1"]


def test_trouble_in_the_middle_forgets_nothing(store: MemoryStore) -> None:
    store.publish("v1")
    looker = Looker()
    looker.look(store)
    store.away = True
    with pytest.raises(StoreUnreachable):
        looker.look(store)
    store.away = False
    store.asked.clear()
    assert names(looker, store) == ["v1"]
    assert store.asked["read"] == 0


def test_only_what_the_operator_needs_is_kept(store: MemoryStore) -> None:
    store.publish("v1")
    (found,) = Looker().look(store)
    assert found.manifest is not None
    assert found.manifest.golden == ()
    assert len(found.manifest_sha256) == 64
