"""The three programs as the Job runs them: as processes, against a real S3 API."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from moto.server import ThreadedMotoServer

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.verdict import Inconclusive, decode
from fraud_scorer.sandbox import seccomp
from tests.unit.scorer.process import COMMAND
from tests.unit.scorer.support import linear

from .conftest import KEY, bare
from .test_signature import pem

pytestmark = pytest.mark.slow

TRAINING = ("numpy", "scipy", "sklearn", "joblib", "pandas")


class Job:
    """Commands with the folders of one verification, and a bucket behind them."""

    def __init__(self, root: Path, endpoint: str) -> None:
        self.root = root
        for name in ("fetched", "compiled", "credentials", "blocked"):
            (root / name).mkdir()
        (root / "credentials/accessKeyID").write_text("testing")
        (root / "credentials/secretAccessKey").write_text("testing")
        for name in TRAINING:
            (root / "blocked" / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
        s3 = {"bucket": "fraud-models", "prefix": "cards/", "endpoint": endpoint}
        self.location = json.dumps({"s3": s3})
        self.log = root / "termination-log"

    def run(self, *arguments: str, blocked: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.root / "blocked")}
        return subprocess.run(
            [*COMMAND, *arguments, f"--termination-log={self.log}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=environment if blocked else {"PATH": os.environ["PATH"]},
        )

    def fetch(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run(
            "fetch",
            f"--store={self.location}",
            f"--store-credentials={self.root / 'credentials'}",
            "--version=v1",
            f"--into={self.root / 'fetched'}",
            *more,
        )

    def compile(self, *more: str) -> subprocess.CompletedProcess[str]:
        # With the training libraries, as this is the one program that needs them.
        folders = (f"--bare={self.root / 'fetched'}", f"--output={self.root / 'compiled'}")
        return self.run("compile", *folders, "--memory=900Mi", *more, blocked=False)

    def judge(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run(
            "judge",
            f"--fetched={self.root / 'fetched'}",
            f"--compiled={self.root / 'compiled'}",
            f"--artifacts={self.location}",
            f"--artifacts-credentials={self.root / 'credentials'}",
            f"--proof-key={KEY}",
            "--model=card-payments",
            *more,
        )

    def said(self) -> Inconclusive:
        import msgspec

        return msgspec.json.decode(self.log.read_bytes(), type=Inconclusive)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str) -> Iterator[object]:
    found = boto3.resource(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    ).Bucket("fraud-models")
    found.create()
    yield found
    found.objects.all().delete()
    found.delete()


@pytest.fixture
def job(tmp_path: Path, endpoint: str) -> Job:
    (tmp_path / "job").mkdir()
    return Job(tmp_path / "job", endpoint)


def upload(s3: object, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), f"cards/{path.relative_to(folder)}")  # type: ignore[attr-defined]


def read(s3: object, path: str) -> bytes:
    return bytes(s3.Object(f"cards/{path}").get()["Body"].read())  # type: ignore[attr-defined]


def test_a_version_goes_all_the_way_without_what_trained_it(
    job: Job, s3: object, version: Path
) -> None:
    upload(s3, version.parent)
    source = sha256_hex((version / "manifest.json").read_bytes())
    done = job.fetch(f"--source={source}")
    assert done.returncode == 0, done.stderr
    assert not job.log.exists()
    done = job.compile()
    assert done.returncode == 0, done.stderr
    assert "nothing to compile" in done.stderr
    done = job.judge("--max-score-milliseconds=1000", "--thresholds=review=0.4,decline=0.8")
    assert done.returncode == 0, done.stderr
    verdict = decode(job.log.read_bytes())
    assert (verdict.outcome, verdict.source) == ("Proven", source)
    assert verdict.model is not None
    assert sha256_hex(read(s3, verdict.model.path)) == verdict.model.sha256
    report = json.loads(read(s3, layout.proof(KEY)))
    assert report["shape"]["thresholds"] == {"review": "0.4", "decline": "0.8"}
    assert read(s3, verdict.report).startswith(b"<!doctype html>")


@pytest.mark.skipif(not seccomp.available(), reason="no filter for this machine")
def test_a_bare_version_goes_all_the_way(job: Job, s3: object, tmp_path: Path) -> None:
    bare(tmp_path / "bucket", linear(), name="fraud model (1).pkl")
    upload(s3, tmp_path / "bucket")
    done = job.fetch("--bare=fraud model (1).pkl")
    assert done.returncode == 0, done.stderr
    done = job.compile()
    assert done.returncode == 0, done.stderr
    done = job.judge()
    assert done.returncode == 0, done.stderr
    verdict = decode(job.log.read_bytes())
    assert verdict.outcome == "Proven", verdict.message
    assert verdict.manifest is not None
    manifest = json.loads(read(s3, verdict.manifest.path))
    assert manifest["model"] == "card-payments"
    assert [one["path"] for one in manifest["files"]] == ["model.fdm"]


def test_a_refusal_is_a_verdict_and_exit_code_0(job: Job, s3: object, version: Path) -> None:
    (version / "model.fdm").unlink()
    upload(s3, version.parent)
    done = job.fetch()
    assert (done.returncode, job.log.exists()) == (0, False)
    assert "refused: FileMissing" in done.stderr
    done = job.judge()
    assert done.returncode == 0
    assert decode(job.log.read_bytes()).reason == "FileMissing"


def test_a_store_that_is_away_is_exit_code_4_and_no_verdict(
    job: Job, s3: object, version: Path
) -> None:
    away = json.loads(job.location)
    away["s3"]["endpoint"] = "http://127.0.0.1:9"
    done = job.fetch(f"--store={json.dumps(away)}", "--patience=0")
    assert done.returncode == 4, done.stderr
    assert job.said().reason == "StoreUnreachable"
    with pytest.raises(ValueError, match="not a verdict"):
        decode(job.log.read_bytes())
    upload(s3, version.parent)
    assert job.fetch().returncode == 0
    job.log.unlink()
    done = job.judge(f"--artifacts={json.dumps(away)}", "--patience=0")
    assert done.returncode == 4
    assert job.said().reason == "StoreUnreachable"


def test_a_bucket_or_a_version_that_is_gone_is_no_verdict(job: Job, s3: object) -> None:
    done = job.fetch("--patience=0")
    assert (done.returncode, job.said().reason) == (4, "SourceGone")
    s3.delete()  # type: ignore[attr-defined]
    done = job.fetch("--patience=0")
    assert (done.returncode, job.said().reason) == (4, "BucketMissing")
    s3.create()  # type: ignore[attr-defined]


def test_judge_without_anything_fetched_is_no_verdict(job: Job) -> None:
    done = job.judge()
    assert (done.returncode, job.said().reason) == (4, "MachineTrouble")
    assert "fetched.json" in job.said().message


def test_a_key_that_is_none_is_no_verdict(job: Job, s3: object, version: Path) -> None:
    upload(s3, version.parent)
    key = job.root / "cosign.pub"
    key.write_text("no key")
    assert job.fetch(f"--signature-key={key}").returncode == 4
    assert job.said().reason == "SignatureKeyInvalid"
    key.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    job.log.unlink()
    assert job.fetch(f"--signature-key={key}").returncode == 0
    assert job.judge(f"--signature-key={key}").returncode == 0
    assert decode(job.log.read_bytes()).reason == "SignatureMissing"


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("fetch", ["--version=v/1"], "no version's name"),
        ("fetch", ["--bare=../model.pkl"], "no file's name"),
        ("fetch", ["--store={}"], "exactly one of s3, gcs and volume"),
        ("judge", ["--proof-key=../x"], "twenty hexadecimal digits"),
        ("judge", ["--golden-tolerance=-1"], "not a number from 0"),
        ("judge", ["--active={}"], "missing required field"),
        ("compile", ["--memory=1Mi"], "take 512Mi"),
        ("compile", ["--output=/nowhere/at/all"], "name a folder that is there"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    job: Job, command: str, arguments: list[str], message: str
) -> None:
    done = getattr(job, command)(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not job.log.exists()
