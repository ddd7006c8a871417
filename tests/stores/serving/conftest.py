"""A scorer as a process, with a real Redis and a real Postgres beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fraud_scorer.artifact.features import Window
from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.artifact.plan import S3Location, StoreLocation
from tests.stores.ledger.conftest import BUCKET
from tests.stores.ledger.conftest import dsn as dsn
from tests.stores.ledger.conftest import s3_endpoint as s3_endpoint
from tests.stores.ledger.conftest import template as template
from tests.support import object_stores
from tests.support.postgres import own_postgres as own_postgres
from tests.support.postgres import postgres as postgres
from tests.support.redis import PASSWORD, RedisServer
from tests.support.redis import own_redis as own_redis
from tests.unit.scorer.support import linear, publish_to

FEATURES = (
    Feature(name="a", type="number"),
    Feature(
        name="b",
        type="number",
        source=Window(entity="customer", aggregate="count", window="1d", bucket="1h", default=0.25),
    ),
)
"""`b` is how many transactions the customer had."""


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a version with a kept feature."""
    store = tmp_path_factory.mktemp("store")
    golden = ({"a": 0.5, "b": 3.0},)
    publish_to(store, estimator=linear(), features=FEATURES, golden=golden, reference=golden)
    return store / "v1"


@pytest.fixture
def redis_secret(own_redis: RedisServer, tmp_path: Path) -> Path:
    """Its address, as a Secret is mounted."""
    folder = tmp_path / "redis"
    folder.mkdir()
    (folder / "host").write_text("127.0.0.1")
    (folder / "port").write_text(str(own_redis.port))
    (folder / "password").write_text(PASSWORD)
    return folder


@pytest.fixture
def postgres_secret(dsn: str, tmp_path: Path) -> Path:
    """The same of the database."""
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "uri").write_text(dsn)
    return folder


@pytest.fixture
def archive_options(s3_endpoint: str, tmp_path: Path) -> list[str]:
    """Where sealed records go, as files are mounted."""
    location = StoreLocation(s3=S3Location(bucket=BUCKET, prefix="served/", endpoint=s3_endpoint))
    (tmp_path / "archive.json").write_bytes(msgspec.json.encode(location))
    (tmp_path / "seal.key").write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    keys = tmp_path / "archive"
    keys.mkdir()
    (keys / "accessKeyID").write_text(object_stores.ACCESS_KEY)
    (keys / "secretAccessKey").write_text(object_stores.SECRET_KEY)
    return [
        f"--archive={tmp_path / 'archive.json'}",
        f"--archive-credentials={keys}",
        f"--seal-key={tmp_path / 'seal.key'}",
        "--archive-retention=1d",
    ]


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Into that database."""
    with psycopg.connect(dsn, autocommit=True) as found:
        yield found
