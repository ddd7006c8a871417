"""What one look at a store costs, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fraud_operator.models.look import CHECKED_EVERY, MOST_READ, Looker
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Framework,
    Golden,
    Manifest,
    Thresholds,
    version_key,
)
from fraud_scorer.artifact.store import FileMissing, StoredFile, StoreUnreachable

MODIFIED = datetime(2026, 1, 15, tzinfo=UTC)


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
        names = {path.split("/")[0] for path in self.files}
        return sorted((name for name in names if name[0] != "."), key=version_key)

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        if path not in self.files:
            raise FileMissing("no such file", file=path)
        etag = str(hash(self.files[path]))
        if etag == unless:
            self.asked["unchanged"] += 1
            return None
        self.asked["read"] += 1
        return self.files[path], etag

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        self.asked["files"] += 1
        if self.away:
            raise StoreUnreachable("away")
        for path in sorted(path for path in self.files if path.startswith(prefix)):
            data = self.files[path]
            yield StoredFile(path=path, size=len(data), etag=str(hash(data)), modified=MODIFIED)

    def open(self, path: str) -> Iterator[bytes]:
        raise NotImplementedError

    def create(self, path: str, source: Path | bytes) -> None:
        raise NotImplementedError

    def write(self, path: str, source: Path | bytes) -> None:
        assert isinstance(source, bytes)
        self.asked["write"] += 1
        if self.away:
            raise StoreUnreachable("away")
        self.files[path] = source

    def delete(self, path: str) -> None:
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


def test_those_of_one_time_come_as_people_count(store: MemoryStore) -> None:
    store.publish("v9", day=2)
    store.publish("v11", day=1)
    store.publish("v10", day=2)
    assert names(Looker(), store) == ["v10", "v9", "v11"]


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


def test_a_quiet_store_costs_a_listing_and_now_and_then_a_few_reads(store: MemoryStore) -> None:
    for number in range(50):
        store.publish(f"v{number:02}", day=number)
    looker = Looker()
    looker.look(store)
    assert store.asked == {"list": 1, "read": 50}
    store.asked.clear()
    for _ in range(CHECKED_EVERY):
        looker.look(store)
    assert store.asked == {"list": CHECKED_EVERY, "unchanged": 5}


def test_every_manifest_is_looked_at_again_in_turn(store: MemoryStore) -> None:
    for number in range(12):
        store.publish(f"v{number:02}", day=number)
    looker = Looker()
    looker.look(store)
    store.publish("v03", day=3, content="a")  # overwritten, which nobody should do
    for _ in range(4):
        looker.look(store, thorough=True)
    found = {one.version: one.manifest for one in looker.look(store)}
    assert found["v03"] is not None
    assert found["v03"].digest == "sha256:" + "a" * 64


def test_the_newest_is_looked_at_again_first(store: MemoryStore) -> None:
    for number in range(12):
        store.publish(f"v{number:02}", day=number)
    looker = Looker()
    looker.look(store)
    store.files["v11/manifest.json"] = b"damaged"
    assert looker.look(store, thorough=True)[-1].problem


def test_of_ten_thousand_versions_those_that_come_last_are_read(store: MemoryStore) -> None:
    for number in range(10_000):
        store.publish(f"v{number}", day=number)
    looker = Looker()
    found = looker.look(store, {"v7", "nowhere"})
    assert store.asked == {"list": 1, "read": MOST_READ + 1}
    newest = [f"v{number}" for number in range(9_999, 9_999 - MOST_READ, -1)]
    assert [one.version for one in found] == [*newest, "v7"]
    store.asked.clear()
    looker.look(store, {"v7"})
    assert store.asked == {"list": 1}


def test_what_appears_is_read_wherever_its_name_comes(store: MemoryStore) -> None:
    for number in range(2 * MOST_READ):
        store.publish(f"f{number:03}", day=number)
    looker = Looker()
    looker.look(store)
    store.publish("0a1b2c", day=1000)
    store.asked.clear()
    found = looker.look(store)
    assert found[0].version == "0a1b2c"
    assert store.asked == {"list": 1, "read": 1}
    assert looker.look(store) == found


def bare(store: MemoryStore, version: str, content: bytes, name: str = "model.pkl") -> None:
    store.files[f"{version}/{name}"] = content


def test_a_folder_with_one_model_file_is_a_version_when_two_looks_agree(store: MemoryStore) -> None:
    store.publish("v1")
    bare(store, "v2", b"half")
    store.files["v2/README.txt"] = b"from the notebook"
    looker = Looker()
    assert names(looker, store) == ["v1"]
    bare(store, "v2", b"whole")
    assert names(looker, store) == ["v1"], "it was still growing"
    found = looker.look(store)[0]
    assert (found.version, found.manifest, found.problem) == ("v2", None, "")
    assert found.bare is not None
    assert (found.bare.path, found.bare.size) == ("v2/model.pkl", 5)
    assert looker.look(store)[0] == found
    store.asked.clear()
    looker.look(store)
    assert store.asked == {"list": 1}, "settled"


def test_a_bare_version_is_as_old_as_its_file(store: MemoryStore) -> None:
    store.publish("older", day=1)
    store.publish("newer", day=30)
    bare(store, "bare", b"model", "m.joblib")
    looker = Looker()
    looker.look(store)
    assert names(looker, store) == ["newer", "bare", "older"]


def test_a_bare_version_that_is_overwritten_is_one_again_when_two_looks_agree(
    store: MemoryStore,
) -> None:
    bare(store, "v2", b"first")
    looker = Looker()
    looker.look(store)
    (first,) = looker.look(store)
    bare(store, "v2", b"second")
    assert looker.look(store, thorough=True) == ()
    (second,) = looker.look(store)
    assert first.source != second.source


def test_a_bare_version_that_gets_a_manifest_is_a_published_one(store: MemoryStore) -> None:
    bare(store, "v2", b"model")
    looker = Looker()
    looker.look(store)
    looker.look(store)
    store.publish("v2")
    (found,) = looker.look(store, thorough=True)
    assert found.manifest is not None
    assert found.bare is None


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(["a.pkl", "b.joblib"], id="two models"),
        pytest.param(["model.fdm", "model.joblib"], id="a publication under way"),
        pytest.param(["deep/model.pkl"], id="not in the folder itself"),
        pytest.param(["notes.txt"], id="none"),
    ],
)
def test_what_is_no_bare_version(store: MemoryStore, files: list[str]) -> None:
    for name in files:
        store.files[f"v2/{name}"] = b"x"
    looker = Looker()
    for _ in range(5):
        assert looker.look(store, thorough=True) == ()


def test_an_upload_that_was_given_up_is_looked_at_rarely(store: MemoryStore) -> None:
    store.publish("v1")
    store.files["v2/model.fdm"] = b"half"
    looker = Looker()
    for _ in range(100):
        looker.look(store)
    store.asked.clear()
    for _ in range(CHECKED_EVERY):
        looker.look(store)
    assert store.asked["files"] == 1
    store.publish("v2", day=2)
    assert [one.version for one in looker.look(store, thorough=True)] == ["v2", "v1"]


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
