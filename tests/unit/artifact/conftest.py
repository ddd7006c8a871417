"""A real S3 API on the loopback, and manifests to put behind it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import Store
from tests.support.manifests import MODEL_BYTES, manifest

BUCKET = "fraud-models"
KEYS = Keys("testing", "testing")

Make = Callable[..., Manifest]


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_location(s3_endpoint: str) -> Iterator[S3Location]:
    bucket = boto3.resource(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    ).Bucket(BUCKET)
    bucket.create()
    yield S3Location(bucket=BUCKET, prefix="card-payments/", endpoint=s3_endpoint)
    bucket.objects.all().delete()
    bucket.delete()


@pytest.fixture
def s3_store(s3_location: S3Location) -> S3Store:
    return S3Store(s3_location, KEYS)


@pytest.fixture(params=["s3", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        (tmp_path / "store").mkdir()
        return DirectoryStore(tmp_path / "store")
    s3: Store = request.getfixturevalue("s3_store")
    return s3


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.fdm"
    path.write_bytes(MODEL_BYTES)
    return path


@pytest.fixture
def make_manifest() -> Make:
    return manifest
