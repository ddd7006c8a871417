"""A scorer as a process: from a published version to answers, or to a verdict; and to its end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import joblib
import pytest
from moto.server import ThreadedMotoServer

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.plan import ModelPlan, S3Location, StoreLocation, planned
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import read_manifest
from fraud_scorer.cli.main import main
from tests.unit.scorer.process import Process, command, serving
from tests.unit.scorer.support import (
    FEATURES,
    GOLDEN,
    classifier,
    publish_to,
    transaction,
)

pytestmark = pytest.mark.slow

BUCKET = "served-models"
KEYS = Keys("testing", "testing")


@contextmanager
def s3(port: int) -> Iterator[str]:
    """An S3 API on that port. What is in its bucket outlives it, in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS.access_key_id,
        aws_secret_access_key=KEYS.secret_access_key,
    ).create_bucket(Bucket=BUCKET)
    try:
        yield endpoint
    finally:
        server.stop()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


@pytest.fixture
def endpoint(port: int) -> Iterator[str]:
    with s3(port) as found:
        yield found


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """A Secret as a pod has it."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "accessKeyID").write_text(KEYS.access_key_id)
    (folder / "secretAccessKey").write_text(KEYS.secret_access_key)
    return folder


def url(tmp_path: Path) -> str:
    """A prefix for this test alone."""
    return f"s3://{BUCKET}/{tmp_path.name}/"


def write_plan(tmp_path: Path, endpoint: str) -> Path:
    """The plan that an operator would write for version v1."""
    location = S3Location(bucket=BUCKET, prefix=tmp_path.name, endpoint=endpoint)
    found = read_manifest(S3Store(location, KEYS), "v1")
    assert found is not None
    active = planned(found.manifest, found.sha256)
    plan = ModelPlan(
        schema_version=2,
        serial=1,
        checksum="",
        detector="cards",
        store=StoreLocation(s3=location),
        active=active,
    )
    path = tmp_path / f"{active.revision}.json"
    path.write_text(plans.encode(plans.sealed(plan)))
    return path


def publish_by_command(tmp_path: Path, endpoint: str, credentials: Path) -> int:
    joblib.dump(classifier(), tmp_path / "trained.joblib")
    features = [
        {
            "name": one.name,
            "type": one.type,
            "nullable": one.nullable,
            "minimum": one.minimum,
            "categories": one.categories,
        }
        for one in FEATURES
    ]
    (tmp_path / "features.json").write_text(json.dumps(features))
    (tmp_path / "golden.jsonl").write_text("\n".join(map(json.dumps, GOLDEN)))
    return main(
        (
            "publish",
            str(tmp_path / "trained.joblib"),
            f"--to={url(tmp_path)}",
            f"--endpoint={endpoint}",
            f"--store-credentials={credentials}",
            "--model=cards",
            "--version=v1",
            f"--features={tmp_path / 'features.json'}",
            f"--golden={tmp_path / 'golden.jsonl'}",
            "--thresholds=review=0.50,decline=0.90",
            "--json",
        )
    )


def test_published_served_scored_and_stopped_under_load(
    tmp_path: Path, endpoint: str, credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish_by_command(tmp_path, endpoint, credentials) == 0
    assert json.loads(capsys.readouterr().out)["goldenTransactions"] == len(GOLDEN)
    plan = write_plan(tmp_path, endpoint)
    with serving(
        f"--plan={plan}",
        f"--store-credentials={credentials}",
        "--drain=600",
    ) as process:
        ready = process.logged("ready")
        assert ready["revision"] == plan.stem
        base = f"http://{ready['listen']}"
        management = f"http://{ready['management']}"
        assert httpx.get(f"{management}/health/ready").status_code == 200
        answer = httpx.post(f"{base}/v1/score", json=transaction()).json()
        assert answer["model"]["version"] == "v1"
        assert answer["model"]["digest"] == ready["digest"]

        asyncio.run(stop_under_load(process, ready))
        assert process.ended() == 0


async def stop_under_load(process: Process, ready: Mapping[str, Any]) -> None:
    """Stop a scorer that is busy, behind a balancer that follows its readiness.

    Whatever was asked is answered: by clients that leave when the balancer says so, and by one
    whose request is under way when nothing is left of the time to drain.
    """
    host, port = ready["listen"].split(":")
    body = json.dumps(transaction()).encode()
    reader, writer = await asyncio.open_connection(host, port)
    head = "POST /v1/score HTTP/1.1\r\nHost: scorer\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
    await writer.drain()

    told, out = asyncio.Event(), asyncio.Event()

    async def ask(client: httpx.AsyncClient) -> None:
        while not out.is_set():
            response = await client.post(f"http://{ready['listen']}/v1/score", json=transaction())
            assert response.status_code == 200
            if response.headers.get("connection") == "close":
                told.set()

    async def balance(client: httpx.AsyncClient) -> None:
        process.process.send_signal(signal.SIGTERM)
        while (await client.get(f"http://{ready['management']}/health/ready")).is_success:
            pass
        await told.wait()
        out.set()

    async with httpx.AsyncClient(timeout=120) as client:
        await asyncio.gather(balance(client), *(ask(client) for _ in range(8)))
    process.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.logged, "closing")
    writer.write(body[10:])
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


def test_a_store_that_is_away_is_waited_for(tmp_path: Path, port: int, credentials: Path) -> None:
    with s3(port) as endpoint:
        publish_to(tmp_path, to=url(tmp_path), endpoint=endpoint, credentials=KEYS)
        plan = write_plan(tmp_path, endpoint)
    with serving(f"--plan={plan}", f"--store-credentials={credentials}") as process:
        base = f"http://{process.logged('loading')['management']}"
        assert "StoreUnreachable" in process.logged("trying again")["message"]
        assert httpx.get(f"{base}/health/live").status_code == 200
        response = httpx.get(f"{base}/health/ready")
        assert response.status_code == 503
        assert response.json()["reason"] == "StoreUnreachable"
        with s3(port):
            process.logged("ready")
            assert httpx.get(f"{base}/health/ready").status_code == 200
        process.process.terminate()
        assert process.ended() == 0


def test_a_scorer_that_waits_for_its_store_can_be_stopped(
    tmp_path: Path, port: int, credentials: Path
) -> None:
    with s3(port) as endpoint:
        publish_to(tmp_path, to=url(tmp_path), endpoint=endpoint, credentials=KEYS)
        plan = write_plan(tmp_path, endpoint)
    with serving(f"--plan={plan}", f"--store-credentials={credentials}") as process:
        process.logged("trying again")
        process.process.terminate()
        assert process.ended() == 0


def test_a_folder_is_served_on_a_laptop(tmp_path: Path) -> None:
    publish_to(tmp_path, thresholds=None)
    with serving(tmp_path / "v1", "--thresholds=review=0,decline=1", "--drain=0") as process:
        ready = process.logged("ready")
        answer = httpx.post(f"http://{ready['listen']}/v1/score", json=transaction()).json()
        assert answer["decision"] == "review"
        process.process.send_signal(signal.SIGINT)
        assert process.ended() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --plan MODEL is required"),
        (["--plan=x", "--siblings=s:9090"], "give --management-token too"),
        (["/nowhere", "--state=x"], "--state is for --plan"),
        (["/nowhere", "--management-token=x"], "--management-token is for --plan"),
        (["/nowhere", "--store-credentials=x"], "--store-credentials is for --plan"),
        (["/nowhere"], "name a version's own folder"),
        (["--listen=8080", "/nowhere"], "is not like 127.0.0.1:8080"),
        (["--plan=x", "--thresholds=review=0,decline=1"], "leave out --thresholds"),
        (["/nowhere", "--thresholds=review=1"], "is not like review=0.50,decline=0.90"),
        (["/nowhere", "--drain=-1"], "is not a number of seconds"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("serve", *arguments) == 2
    assert message in capsys.readouterr().err


def run(*arguments: str) -> object:
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


def test_a_taken_port_is_explained(tmp_path: Path) -> None:
    publish_to(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        log = tmp_path / "termination-log"
        given = (
            "--data=none",
            f"--listen={where}",
            "--management=127.0.0.1:0",
            f"--termination-log={log}",
        )
        done = command("serve", tmp_path / "v1", *given)
    assert done.returncode == 1
    assert f"cannot listen on {where}" in done.stderr
    assert f"cannot listen on {where}" in log.read_text()
