"""The C server does the work that it is a yardstick for: the same scores, the same refusals."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from bench.scorer.running import free_ports
from fraud_scorer.compile import compile_model
from fraud_scorer.engine import Input, Model, load
from fraud_scorer.pipeline.envelope import ScoreAnswer
from fraud_scorer.pipeline.parse import parse
from fraud_scorer.problem import Problem

pytestmark = pytest.mark.slow

NAMES = ("amount", "night", "customer_mean_amount_7d")
REVIEW, DECLINE = 0.3, 0.6
DIGEST = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, len(NAMES))) * [100, 1, 1e-3]
    fraud = rows[:, 0] + 80 * rows[:, 1] > 60
    forest = RandomForestClassifier(20, max_depth=6, random_state=0).fit(rows, fraud)
    path = tmp_path_factory.mktemp("model") / "model.fdm"
    inputs = [Input(name=name, type="number", nullable=False) for name in NAMES]
    path.write_bytes(compile_model(forest, inputs))
    return path


@pytest.fixture(scope="module")
def model(model_file: Path) -> Model:
    return load(model_file)


@pytest.fixture(scope="module")
def port(yardstick: Path, model_file: Path) -> Iterator[int]:
    (free,) = free_ports(1)
    command = [str(yardstick), str(free), str(model_file), str(REVIEW), str(DECLINE)]
    command += ["card-payments", "v1", DIGEST, *NAMES]
    with subprocess.Popen(command) as process:
        ends = time.monotonic() + 10
        while time.monotonic() < ends and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", free)):
                break
            time.sleep(0.01)
        yield free
        process.terminate()


def transaction(*values: float) -> dict[str, Any]:
    return {
        "transaction_id": 'tx-"1"\u00e4',
        "event_time": "2026-01-05T10:00:00.5+01:00",
        "entities": {"customer": "c-17", "terminal": "t-4"},
        "amount_minor": 1999,
        "currency": "EUR",
        "features": dict(zip(NAMES, values, strict=True)),
    }


def ask(port: int, body: bytes, path: str = "/v1/score") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_the_scorers_answer_with_the_engines_score(port: int, model: Model) -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(100, len(NAMES))) * [100, 1, 1e-3]
    rows[0] = [5e-324, -0.0, 1.7976931348623157e300 * 0]
    decisions = set()
    for row in rows.tolist():
        status, content = ask(port, json.dumps(transaction(*row)).encode())
        assert status == 200
        answer = msgspec.json.decode(content, type=ScoreAnswer)
        assert answer.score == model.score_one(tuple(row))
        expected = (
            "decline" if answer.score >= DECLINE else "review" if answer.score >= REVIEW else None
        )
        assert answer.decision == (expected or "approve")
        assert uuid.UUID(answer.prediction_id).version == 4
        assert (answer.model.name, answer.model.digest) == ("card-payments", DIGEST)
        decisions.add(answer.decision)
    assert decisions == {"approve", "review", "decline"}


@pytest.mark.parametrize("number", ["1e2", "-0", "12345678901234567890.5", "4e-320", "0.1E+01"])
def test_numbers_are_read_exactly(port: int, model: Model, number: str) -> None:
    body = json.dumps(transaction(7.5, 1, 2)).replace("7.5", number).encode()
    _, content = ask(port, body)
    assert json.loads(content)["score"] == model.score_one((float(number), 1.0, 2.0))


GOOD = json.dumps(transaction(1.5, 0, 2))
REFUSED = [
    "",
    "[]",
    GOOD[:-1],
    GOOD + "}",
    GOOD.replace("1.5", "NaN"),
    GOOD.replace("1.5", "01"),
    GOOD.replace("1.5", "1."),
    GOOD.replace("1.5", '"1"'),
    GOOD.replace("1.5", "null"),
    GOOD.replace("1.5", "1e999"),
    GOOD.replace('"night"', '"nigth"'),
    GOOD.replace('"night": 0, ', ""),
    GOOD.replace('"currency": "EUR", ', ""),
    GOOD.replace('"currency"', '"curency"'),
    GOOD.replace("EUR", "eur"),
    GOOD.replace("1999", "-1"),
    GOOD.replace("1999", "19.5"),
    GOOD.replace("2026-01-05T", "2026-01-05 at "),
    GOOD.replace("+01:00", ""),
    GOOD.replace('"customer"', '"Customer"'),
    GOOD.replace("c-17", ""),
    GOOD.replace("c-17", "c\n17"),
]


@pytest.mark.parametrize("body", REFUSED)
def test_refuses_what_the_scorer_refuses(port: int, body: str) -> None:
    assert ask(port, body.encode())[0] == 422
    try:
        parsed = parse(body.encode())
    except Problem:
        return
    assert (
        set(parsed.features) != set(NAMES)
        or None in parsed.features.values()
        or any(isinstance(value, str) for value in parsed.features.values())
    )


def test_refuses_bytes_that_are_not_utf8(port: int) -> None:
    assert ask(port, GOOD.encode().replace(b"c-17", b"c-\xff"))[0] == 422


def test_pipelined_requests_are_answered_in_turn(port: int) -> None:
    bodies = [json.dumps(transaction(amount, 0, 0)).encode() for amount in (-500, 500)]
    sent = b"".join(
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        for body in bodies
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for start in range(0, len(sent), 50):  # in pieces, whose borders fall anywhere
            connection.sendall(sent[start : start + 50])
        received = b""
        while received.count(b"timing_ms") < 2 or not received.endswith(b"}}"):
            received += connection.recv(4096)
    scores = [json.loads(part[part.index(b"{") :].split(b"HTTP")[0])["score"]
              for part in received.split(b"\r\n\r\n")[1:]]  # fmt: skip
    assert scores[0] < scores[1]


def test_any_other_path_costs_nothing(port: int) -> None:
    assert ask(port, b"not even JSON", "/") == (200, b"{}")


def test_a_damaged_model_is_refused(yardstick: Path, model_file: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model.fdm"
    damaged.write_bytes(model_file.read_bytes()[:-100])
    command = [str(yardstick), "0", str(damaged), "1", "1", "m", "v", DIGEST, *NAMES]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert str(damaged) in ended.stderr
