"""`serve MODEL` on a laptop, without Redis and Postgres: every process is real."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from fraud_scorer.artifact.features import LabelRate, Window
from fraud_scorer.artifact.manifest import Feature
from tests.unit.scorer.process import Process, command, serving
from tests.unit.scorer.support import linear, publish_to

FEATURES = (
    Feature(name="a", type="number"),
    Feature(
        name="b",
        type="number",
        source=Window(entity="customer", aggregate="count", window="2d", bucket="1h", default=0.25),
    ),
    Feature(
        name="risk",
        type="number",
        source=LabelRate(entity="terminal", window="2d", bucket="1h", default=0.125),
    ),
)
"""`b` is how many transactions the customer had, `risk` how many of the terminal's were fraud."""
GOLDEN = ({"a": 0.5, "b": 3.0, "risk": 0.5},)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    publish_to(store, estimator=linear(3), features=FEATURES, golden=GOLDEN, reference=GOLDEN)
    return store / "v1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data.sqlite"


def body(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": f"t-{number}",
        "event_time": f"2026-01-05T10:{number:02}:00Z",
        "entities": {"customer": "c-1", "terminal": "m-1"},
        "amount_minor": 950,
        "currency": "EUR",
        "features": {"a": 0.5},
    } | changes


LABEL = {
    "transaction_id": "t-1",
    "label": "chargeback",
    "event_time": "2026-01-05T10:01:00Z",
    "observed_at": "2026-01-06T09:00:00Z",
    "source": "visa",
}


class Laptop:
    """A service, and what is asked of it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.client = httpx.Client(
            base_url=f"http://{process.logged('ready')['listen']}", timeout=60
        )

    def score(self, number: int, **changes: Any) -> httpx.Response:
        return self.client.post("/v1/score", json=body(number, **changes))

    def kept(self, number: int) -> dict[str, float]:
        """The features that a transaction was scored with, of those that are kept."""
        known = self.client.get(f"/v1/transactions/t-{number}").json()
        features = known["answers"][0]["personal"]["features"]
        return {name: features[name] for name in ("b", "risk")}


@contextmanager
def laptop(version: Path, data: Path, *more: str) -> Iterator[Laptop]:
    with serving(version, f"--data={data}", "--drain=0", *more) as process:
        yield Laptop(process)


def stop(one: Laptop) -> None:
    one.process.process.terminate()
    assert one.process.ended() == 0


def test_it_says_what_it_is_where_the_file_is_and_what_production_is(
    version: Path, data: Path
) -> None:
    with serving(version, f"--data={data}", "--drain=0") as process:
        said = process.logged("embedded default")["message"]
        process.logged("ready")
    assert str(data) in said
    assert "for a laptop" in said
    assert "FraudDetector" in said


def test_without_a_word_about_it_the_file_is_in_the_present_folder(
    version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(version, "--drain=0", embedded=True) as process:
        assert Laptop(process).score(1).status_code == 200
    assert (tmp_path / "fraud-scorer.sqlite").exists()


def test_none_keeps_nothing(version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain = tmp_path / "store"
    publish_to(plain)
    with serving(plain / "v1", "--data=none", "--drain=0") as process:
        one = Laptop(process)
        assert one.client.get("/v1/transactions/t-1").status_code == 404
        assert one.client.post("/v1/labels", json=LABEL).json()["status"] == 404
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    done = command("serve", version, "--data=none", "--listen=127.0.0.1:0", "--management=[::1]:0")
    assert done.returncode == 1
    assert "--data FILE" in done.stderr


def test_a_repeated_transaction_gets_its_answer_and_another_one_a_refusal(
    version: Path, data: Path
) -> None:
    with laptop(version, data) as one:
        first = one.score(1)
        again = one.score(1)
        other = one.score(1, amount_minor=1)
        assert one.score(2).status_code == 200
        assert one.kept(2)["b"] == 1.0, "the repetition counts, or the refused one"
    assert first.status_code == 200
    assert again.content == first.content
    assert other.status_code == 409
    assert other.json()["type"] == "urn:fraudops:problem:other-transaction"


def test_features_follow_transactions_and_labels(version: Path, data: Path) -> None:
    with laptop(version, data) as one:
        one.score(1)
        assert one.client.post("/v1/labels", json=LABEL).json() == {
            "new": 1, "known": 0, "unmatched": 0
        }  # fmt: skip
        one.score(2)
        assert one.kept(1) == {"b": 0.0, "risk": 0.125}
        assert one.kept(2) == {"b": 1.0, "risk": 1.0}
        one.score(3, event_time=datetime.now(UTC).isoformat())
        now = one.client.get("/v1/users/c-1/features").json()["features"]
        assert now == {"b": 1.0}, "the features of a user are those of now, two days long"


def test_a_label_may_be_of_the_first_of_all_hours(version: Path, data: Path) -> None:
    """An offset moves it out of the years that there are."""
    first = "0001-01-01T00:00:00+14:00"
    with laptop(version, data) as one:
        added = one.client.post("/v1/labels", json=LABEL | dict.fromkeys(
            ("event_time", "observed_at"), first
        ))  # fmt: skip
        assert added.json() == {"new": 1, "known": 0, "unmatched": 1}
        (label,) = one.client.get("/v1/transactions/t-1").json()["labels"]
        assert label["event_time"] == "0001-01-01T00:00:00Z"


def test_what_is_described_is_served(version: Path, data: Path) -> None:
    """There are no lists here, so nobody is told of any."""
    with laptop(version, data) as one:
        paths = one.client.get("/openapi.json").json()["paths"]
        assert one.client.get("/v1/lists").status_code == 404
    assert "/v1/labels" in paths
    assert "/v1/lists" not in paths


def test_a_label_may_come_before_its_transaction(version: Path, data: Path) -> None:
    with laptop(version, data) as one:
        assert one.client.post("/v1/labels", json=LABEL).json()["unmatched"] == 1
        one.score(1)
        one.score(2)
        assert one.kept(2)["risk"] == 1.0


@pytest.mark.parametrize("killed", [False, True])
def test_a_restart_keeps_history_and_answers(version: Path, data: Path, *, killed: bool) -> None:
    with laptop(version, data) as one:
        first = one.score(1)
        one.client.post("/v1/labels", json=LABEL)
        one.score(2)
        if killed:
            one.process.kill()
        else:
            stop(one)
    with laptop(version, data) as one:
        assert one.score(3).status_code == 200
        assert one.kept(3) == {"b": 2.0, "risk": 1.0}
        assert len(one.client.get("/v1/transactions/t-1").json()["labels"]) == 1
        if not killed:
            assert one.score(1).content == first.content
            assert one.score(1, amount_minor=1).status_code == 409


def test_look_ups_are_answered_and_logged(version: Path, data: Path) -> None:
    with laptop(version, data) as one:
        for number in range(1, 6):
            one.score(number)
        newest = one.client.get("/v1/users/c-1/features", params={"limit": 2}).json()
        assert [past["transaction_id"] for past in newest["history"]] == ["t-5", "t-4"]
        page = {"limit": 2, "after": newest["next_after"]}
        older = one.client.get("/v1/users/c-1/features", params=page).json()
        assert [past["transaction_id"] for past in older["history"]] == ["t-3", "t-2"]
        unknown = one.client.get("/v1/transactions/t-9")
        assert unknown.status_code == 404
        assert str(data) in unknown.json()["detail"]
        old = one.client.get("/v1/transactions/t-1", params={"around": "2026-01-05T10:00:00Z"})
        assert "there is no archive" in old.json()["detail"]
        stop(one)
    with sqlite3.connect(data) as file:
        looks = file.execute("SELECT action, about, found FROM access_log").fetchall()
    assert looks == [
        ("history", "c-1", 2), ("history", "c-1", 2), ("transaction", "t-9", 0)
    ]  # fmt: skip


def test_a_key_lets_labels_have_their_effect_once(version: Path, data: Path) -> None:
    with laptop(version, data) as one:
        key = {"Idempotency-Key": "k-1"}
        first = one.client.post("/v1/labels", json=LABEL, headers=key)
        again = one.client.post("/v1/labels", json=LABEL, headers=key)
        other = one.client.post("/v1/labels", json=LABEL | {"source": "me"}, headers=key)
        without = one.client.post("/v1/labels", json=LABEL)
    assert first.json()["new"] == again.json()["new"] == 1
    assert other.status_code == 409
    assert without.json() == {"new": 0, "known": 1, "unmatched": 0}


def test_batches_are_recorded_too(version: Path, data: Path) -> None:
    with laptop(version, data) as one:
        batch = one.client.post("/v1/score/batch", json=[body(1), body(2)])
        assert batch.status_code == 200
        assert one.kept(2)["b"] == 1.0


def test_a_file_is_one_services(version: Path, data: Path) -> None:
    with laptop(version, data):
        second = command(
            "serve", version, f"--data={data}", "--listen=127.0.0.1:0", "--management=127.0.0.1:0"
        )
    assert second.returncode == 1
    assert f"{data}: another service uses this file" in second.stderr


def test_a_compiled_file_alone_is_served_so_too(version: Path, data: Path) -> None:
    with laptop(version / "model.fdm", data) as one:
        given = {"a": 0.5, "b": 1.0, "risk": 0.25}
        first = one.score(1, features=given)
        assert first.status_code == 200
        assert one.score(1, features=given).content == first.content
        known = one.client.get("/v1/users/c-1/features").json()
    assert [past["transaction_id"] for past in known["history"]] == ["t-1"]


def test_a_process_that_dies_loses_nothing_that_was_answered(version: Path, data: Path) -> None:
    with laptop(version, data) as one:
        for number in range(1, 21):
            assert one.score(number).status_code == 200
        (serves,) = one.process.children()
        os.kill(serves, signal.SIGKILL)
        one.process.logged("is replaced")
        one.process.logged("ready")
        assert one.score(21).status_code == 200
        assert one.kept(21)["b"] == 20.0
