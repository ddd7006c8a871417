"""From a request to its record in Postgres, with features kept in Redis: every process is real."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fraud_scorer.decisions.random_approvals import RandomApprovals
from tests.support.redis import RedisServer
from tests.unit.scorer.process import Process, command, serving

Rows = psycopg.Connection[tuple[Any, ...]]
PATIENCE = 60.0
INFER = "/v2/models/card-payments/infer"
PATIENT = ("--redis-timeout=1", "--history-timeout=1")
"""So that a busy machine is not taken for a store that is away."""


def body(number: int, customer: str = "c-1", **changes: object) -> dict[str, object]:
    return {
        "transaction_id": f"t-{number}",
        "event_time": datetime.now(UTC).isoformat(),
        "entities": {"customer": customer},
        "amount_minor": 950,
        "currency": "EUR",
        "features": {"a": 0.5},
    } | changes


class Scorer:
    """A service, and what is asked of it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        ready = process.logged("ready")
        self.client = httpx.Client(base_url=f"http://{ready['listen']}", timeout=30)
        self.management = httpx.Client(base_url=f"http://{ready['management']}", timeout=30)
        self._numbers = count(1_000_000)

    def score(self, number: int, **changes: Any) -> httpx.Response:
        return self.client.post("/v1/score", json=body(number, **changes))

    def degraded(self) -> list[str]:
        """What an answer to a transaction that was never sent has to do without."""
        answer = self.score(next(self._numbers))
        return list(answer.json()["degraded"])

    def command_of(self, word: str) -> list[int]:
        """The children that were started for that."""
        found = []
        for child in self.process.children():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if word.encode() in words:
                found.append(child)
        return found

    def metric(self, name: str) -> float:
        for line in self.management.get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def ready(self) -> httpx.Response:
        """What the kubelet is told."""
        return self.management.get("/health/ready")

    def stop(self) -> int:
        self.process.process.send_signal(signal.SIGTERM)
        return self.process.ended()


@contextmanager
def scorer(version: Path, *arguments: str | Path) -> Iterator[Scorer]:
    has_postgres = any(str(one).startswith("--postgres") for one in arguments)
    patient = PATIENT if has_postgres else PATIENT[:1]
    with serving(version, "--drain=0", "--detector=cards", *patient, *arguments) as process:
        running = Scorer(process)
        # Whatever happened before Redis began may be a repetition, so let it begin.
        running.score(-1, entities={"customer": "nobody"})
        yield running


def until(true: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def recorded(connection: Rows) -> int:
    (found,) = connection.execute("SELECT count(*) FROM transactions").fetchone() or (0,)
    return int(found)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_features_are_kept_and_answers_are_recorded(
    version: Path, redis_secret: Path, postgres_secret: Path, spool: Path, connection: Rows
) -> None:
    given = (f"--redis={redis_secret}", f"--postgres={postgres_secret}", f"--records={spool}")
    with scorer(version, *given) as running:
        answers = [running.score(number).json() for number in range(4)]
        assert [one["degraded"] for one in answers] == [[]] * 4
        assert all(one["feature_age_ms"] is not None for one in answers)
        scores = [one["score"] for one in answers]
        assert scores == sorted(set(scores))  # one transaction more each time
        (first, second) = running.client.post(
            "/v1/score/batch", json=[body(10, "c-2"), body(11, "c-2")]
        ).json()
        assert (first["score"], second["score"]) == (scores[0], scores[1])
        refused = running.score(5, features={"a": 0.5, "b": 3.0})
        assert refused.status_code == 422
        assert refused.json()["errors"] == [
            {"pointer": "#/features/b", "detail": "is kept by the service: leave it out"}
        ]
        until(lambda: recorded(connection) == 7)
        known = running.client.get("/v1/users/c-1/features").json()
        assert known["features"] == {"b": 4.0}
        assert len(known["history"]) == 4
        assert running.metric("fraud_scorer_records_total") == 7
        assert running.stop() == 0
    assert not list(spool.glob("*/*.seg"))
    rows = connection.execute(
        "SELECT t.personal::json->'features', p.role, p.decision, p.fraud_score, a.body::json"
        " FROM transactions t JOIN predictions p USING (chain, sequence)"
        " JOIN audit a USING (chain, sequence) WHERE t.transaction_id = 't-3'"
    ).fetchone()
    assert rows is not None
    features, role, decision, score, entry = rows
    assert features == {"a": 0.5, "b": 3.0}
    assert (role, decision, score) == ("active", answers[3]["decision"], scores[3])
    assert entry["route"] == "score" if "route" in entry else True
    kinds = connection.execute("SELECT kind FROM audit ORDER BY sequence").fetchall()
    assert (kinds[0], kinds[-1]) == (("began",), ("ended",))


def test_a_transaction_is_answered_once(
    version: Path, redis_secret: Path, postgres_secret: Path, spool: Path, connection: Rows
) -> None:
    given = (f"--redis={redis_secret}", f"--postgres={postgres_secret}", f"--records={spool}")
    with scorer(version, *given) as running:
        asked = body(1)
        first = running.client.post("/v1/score", json=asked)
        again = running.client.post("/v1/score", json=dict(reversed(asked.items())))
        assert again.content == first.content
        other = running.client.post("/v1/score", json=asked | {"amount_minor": 951})
        assert other.status_code == 409
        assert other.json()["type"] == "urn:fraudops:problem:other-transaction"
        same, wrong, new = running.client.post(
            "/v1/score/batch", json=[asked, asked | {"amount_minor": 951}, body(2)]
        ).json()
        assert same == first.json()
        assert (wrong["status"], wrong["item"]) == (409, 1)
        assert new["prediction_id"] != same["prediction_id"]
        # What was refused claims nothing.
        assert running.score(3, features={}).status_code == 422
        assert running.score(3).status_code == 200
        tensors = {
            "id": "t-1",
            "parameters": {
                "event_time": asked["event_time"], "amount_minor": 950, "currency": "EUR",
                "entities.customer": "c-1",
            },
            "inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [0.5]}],
            "outputs": [{"name": "prediction_id"}],
        }  # fmt: skip
        inferred = running.client.post(INFER, json=tensors).json()
        assert inferred["outputs"][0]["data"] == [first.json()["prediction_id"]]
        # Without a time it is now, which is no reason to take the same for another.
        tensors = {"id": "t-undated", "inputs": tensors["inputs"]}
        answers = [running.client.post(INFER, json=tensors) for _ in range(2)]
        assert answers[0].status_code == 200
        assert answers[0].json() == answers[1].json()
        assert running.stop() == 0
    assert recorded(connection) == 5  # with the one before all


def test_what_is_refused_counts_for_nobody(
    version: Path, redis_secret: Path, postgres_secret: Path
) -> None:
    with scorer(version, f"--redis={redis_secret}", f"--postgres={postgres_secret}") as running:
        scores = [running.score(number).json()["score"] for number in range(3)]
        for number in range(10, 15):
            assert running.score(number, features={"a": "text"}).status_code == 422
        items = [body(number, features={}) for number in range(20, 25)]
        refused = running.client.post("/v1/score/batch", json=items).json()
        assert [one["status"] for one in refused] == [422] * 5
        # Sent anew, and about another customer: with that one's features, not the former's.
        assert running.score(10, entities={"customer": "c-2"}).json()["score"] == scores[0]
        answer = running.score(3).json()
        assert answer["degraded"] == []
        assert answer["score"] > scores[2]
        assert running.score(4, entities={"customer": "c-2"}).json()["score"] == scores[1]
        # c-1 had three before it, as no refused one counts.
        assert running.score(30, entities={"customer": "c-2"}).json()["score"] == scores[2]
        assert running.score(31, entities={"customer": "c-2"}).json()["score"] == answer["score"]


def test_another_pod_gives_the_answer_of_one_that_has_ended(
    version: Path, redis_secret: Path
) -> None:
    asked = body(1)
    with scorer(version, f"--redis={redis_secret}") as running:
        first = running.client.post("/v1/score", json=asked)
        assert running.stop() == 0  # with its last answer told to Redis
    with scorer(version, f"--redis={redis_secret}") as running:
        assert running.client.post("/v1/score", json=asked).content == first.content
        assert running.client.post("/v1/score", json=body(1)).status_code == 409


def test_lists_and_draws_decide(
    version: Path, redis_secret: Path, postgres_secret: Path, spool: Path, connection: Rows,
    tmp_path: Path,
) -> None:  # fmt: skip
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    draws = RandomApprovals(key.read_bytes(), "0.05", 1000)
    drawn = next(number for number in range(1000, 9000) if draws.draw(f"t-{number}"))
    given = (
        f"--redis={redis_secret}", f"--postgres={postgres_secret}", f"--records={spool}",
        "--lists", "--random-approvals=0.05", f"--random-approvals-key={key}",
        "--random-approvals-max=1000",
    )  # fmt: skip
    with scorer(version, *given) as running:
        bad = {"features": {"a": 9.0}}
        answer = running.score(drawn, **bad).json()
        assert (answer["decision"], answer["decided_by"]) == ("approve", "random_approval")
        answer = running.score(drawn + 10_000, amount_minor=1001, **bad).json()
        assert (answer["decision"], answer["decided_by"]) == ("decline", "threshold.decline")
        word = {"list": "deny", "action": "add", "kind": "customer", "id": "c-9", "reason": "test"}
        added = running.client.post("/v1/lists", json=word)
        assert added.status_code == 200, added.text
        numbers = iter(range(20_000, 30_000))

        def denied() -> bool:
            found = running.score(next(numbers), entities={"customer": "c-9"}).json()
            return bool(found["decided_by"] == "list.deny.customer")

        until(denied)
        assert running.stop() == 0
    found = connection.execute(
        "SELECT rule, would, propensity FROM predictions WHERE transaction_id = %s", [f"t-{drawn}"]
    ).fetchone()
    assert found == ("random_approval", "decline", 0.05)


def test_lists_that_could_never_be_read_are_missed_in_the_answer(
    version: Path, redis_secret: Path, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "uri").write_text("host=127.0.0.1 port=1 dbname=gone")
    given = (f"--redis={redis_secret}", f"--postgres={tmp_path / 'gone'}", "--lists")
    with scorer(version, *given) as running:
        assert "lists" in running.degraded()
        failed = 'fraud_scorer_lists_looks_total{outcome="failed"}'
        until(lambda: running.metric(failed) > 0)
        assert running.stop() == 0


def test_a_killed_process_loses_nothing(
    version: Path, redis_secret: Path, postgres_secret: Path, spool: Path, connection: Rows
) -> None:
    given = (f"--redis={redis_secret}", f"--postgres={postgres_secret}", f"--records={spool}")
    with scorer(version, *given) as running:
        answered = [running.score(number).json()["prediction_id"] for number in range(50)]
        (serves,) = running.command_of("serve")
        os.kill(serves, signal.SIGKILL)
        running.process.logged("is replaced")
        until(lambda: running.management.get("/health/ready").status_code == 200)
        answered.append(running.score(50).json()["prediction_id"])
        until(lambda: recorded(connection) == 52)
        assert running.stop() == 0
    rows = connection.execute(
        "SELECT prediction_id FROM predictions WHERE transaction_id <> 't--1'"
    ).fetchall()
    assert sorted(one for (one,) in rows) == sorted(answered)


def test_what_ships_is_replaced_when_it_dies_and_ends_last(
    version: Path, redis_secret: Path, postgres_secret: Path, spool: Path, connection: Rows
) -> None:
    given = (f"--redis={redis_secret}", f"--postgres={postgres_secret}", f"--records={spool}")
    with scorer(version, *given) as running:
        running.score(0)
        until(lambda: recorded(connection) == 2)
        (ships,) = running.command_of("ship")
        (serves,) = running.command_of("serve")
        assert os.getpriority(os.PRIO_PROCESS, ships) > os.getpriority(os.PRIO_PROCESS, serves)
        os.kill(ships, signal.SIGKILL)
        running.process.logged("ships records ended and is replaced")
        running.score(1)
        until(lambda: recorded(connection) == 3)
        (ships,) = running.command_of("ship")
        os.kill(ships, signal.SIGSTOP)
        running.score(2)
        running.process.process.send_signal(signal.SIGTERM)
        until(lambda: not running.command_of("serve"))
        os.kill(ships, signal.SIGCONT)
        assert running.process.ended() == 0
    assert recorded(connection) == 4


def test_without_redis_there_are_answers(
    version: Path, own_redis: RedisServer, redis_secret: Path, postgres_secret: Path
) -> None:
    given = (f"--redis={redis_secret}", f"--postgres={postgres_secret}")
    with scorer(version, *given, "--history-connections=0") as running:
        until(lambda: "features.redis" not in running.degraded())
        own_redis.kill()
        without = running.score(1)
        assert without.status_code == 200
        assert "features.redis" in without.json()["degraded"]
        assert "features.defaults" in without.json()["degraded"]
        assert running.stop() == 0


def test_a_rotated_password_needs_no_restart(
    version: Path, own_redis: RedisServer, redis_secret: Path
) -> None:
    with scorer(version, f"--redis={redis_secret}") as running:
        until(lambda: "features.redis" not in running.degraded())
        client = own_redis.client()
        client.config_set("requirepass", "rotated")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        (redis_secret / "password").write_text("rotated")
        until(lambda: "features.redis" in running.degraded())
        until(lambda: "features.redis" not in running.degraded())


@pytest.mark.parametrize("durability", ["Committed", "Async"])
def test_every_durability_records(
    version: Path, redis_secret: Path, postgres_secret: Path, spool: Path, connection: Rows,
    durability: str,
) -> None:  # fmt: skip
    given = (f"--redis={redis_secret}", f"--postgres={postgres_secret}", f"--records={spool}")
    with scorer(version, *given, f"--durability={durability}") as running:
        for number in range(5):
            assert running.score(number).status_code == 200
        assert running.stop() == 0
    assert recorded(connection) == 6


@pytest.mark.parametrize(("policy", "status"), [("block", 503), ("degrade", 200)])
def test_a_full_spool(
    version: Path, redis_secret: Path, postgres_secret: Path, spool: Path, policy: str, status: int
) -> None:
    """Postgres is away, and the spool has room for two segments."""
    address = postgres_secret / "uri"
    there = address.read_text()
    address.write_text("postgresql://nobody@127.0.0.1:1/nothing")
    given = (
        f"--redis={redis_secret}", f"--postgres={postgres_secret}", f"--records={spool}",
        "--records-limit=16Mi", f"--when-full={policy}", "--ship-grace=0",
    )  # fmt: skip
    padding = {f"k{n}": "x" * 128 for n in range(15)}
    entities = {"customer": "c-1", **padding}
    numbers = count()
    with scorer(version, *given) as running:
        answer = running.score(next(numbers))
        while answer.status_code == 200 and "records" not in answer.json()["degraded"]:
            many = [body(next(numbers), entities=entities) for _ in range(500)]
            running.client.post("/v1/score/batch", json=many)
            answer = running.score(next(numbers), entities=entities)
        assert answer.status_code == status
        if policy == "block":
            assert answer.headers["retry-after"]
            assert answer.json()["type"] == "urn:fraudops:problem:not-recorded"
            assert running.metric("fraud_scorer_records_missed_total") == 0
            until(lambda: running.ready().status_code == 503)
            said = running.ready().json()
            assert said["reason"] == "SpoolFull"
            assert "see why the shipper" in said["message"]
            address.write_text(there)
            until(lambda: running.ready().status_code == 200)  # by itself, and nobody asks
            assert running.score(next(numbers)).status_code == 200
        else:
            assert running.ready().status_code == 200
            assert "records" in answer.json()["degraded"]
            assert running.metric("fraud_scorer_records_missed_total") > 0
        running.stop()


def test_a_model_with_kept_features_needs_redis(version: Path, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    done = command(
        "serve", version, "--data=none", "--listen=127.0.0.1:0", "--management=127.0.0.1:0",
        f"--termination-log={log}",
    )  # fmt: skip
    assert done.returncode == 1
    assert "spec.redis" in log.read_text()
    assert "--redis" in log.read_text()
