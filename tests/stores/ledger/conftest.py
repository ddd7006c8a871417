"""A migrated database for each test, a spool, and an archive in a folder and behind S3."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.seals import Signer, Verifier
from fraud_scorer.ledger.spool import Spool
from tests.support import object_stores
from tests.support.bucket import client_of
from tests.support.ledger import migrated
from tests.support.postgres import PostgresServer
from tests.support.postgres import database as database
from tests.support.postgres import own_postgres as own_postgres
from tests.support.postgres import postgres as postgres
from tests.support.records_api import api

BUCKET, LOCKED_BUCKET = "audit", "audit-locked"


@pytest.fixture(scope="session")
def template(postgres: PostgresServer) -> str:
    """The name of a database with the schema, to copy from."""
    postgres.sql("CREATE DATABASE ledger_template")
    migrated(postgres.dsn("ledger_template"))
    return "ledger_template"


@pytest.fixture
def dsn(postgres: PostgresServer, template: str) -> Iterator[str]:
    """A database with the schema, as superuser."""
    name = f"ledger_{secrets.token_hex(6)}"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres.dsn(name)
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def ledger(dsn: str) -> Database:
    """That database, as the ledger's code takes it."""
    return Database(dsn, name="test", patience=5)


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Into that database."""
    with psycopg.connect(dsn, autocommit=True) as found:
        yield found


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty one, with room for sixteen segments."""
    return Spool(tmp_path / "spool", 16 << 20)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """In a folder."""
    folder = tmp_path / "archive"
    folder.mkdir()
    return Archive(DirectoryStore(folder))


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 API with two empty buckets, the one with Object Lock."""
    with object_stores.versitygw(tmp_path_factory.mktemp("s3")) as server:
        keys = object_stores.ACCESS_KEY, object_stores.SECRET_KEY
        client = client_of(server.endpoint, *keys)
        client.create_bucket(Bucket=BUCKET)
        client.create_bucket(Bucket=LOCKED_BUCKET, ObjectLockEnabledForBucket=True)
        yield server.endpoint


@pytest.fixture
def s3_archive(s3_endpoint: str) -> Archive:
    """In a bucket, below a prefix of its own."""
    location = S3Location(bucket=BUCKET, prefix=f"{secrets.token_hex(4)}/", endpoint=s3_endpoint)
    keys = Keys(object_stores.ACCESS_KEY, object_stores.SECRET_KEY)
    return Archive(S3Store(location, keys))


@pytest.fixture
def locked_archive(s3_endpoint: str) -> Archive:
    """In a bucket with Object Lock."""
    location = S3Location(bucket=LOCKED_BUCKET, prefix=secrets.token_hex(4), endpoint=s3_endpoint)
    keys = Keys(object_stores.ACCESS_KEY, object_stores.SECRET_KEY)
    return Archive(S3Store(location, keys), keep=lambda: timedelta(days=2555))


@pytest.fixture(scope="session")
def key() -> Ed25519PrivateKey:
    """What seals are made with."""
    return Ed25519PrivateKey.generate()


@pytest.fixture
def signer(key: Ed25519PrivateKey) -> Signer:
    """Who seals."""
    return Signer(key)


@pytest.fixture
def verifier(key: Ed25519PrivateKey) -> Verifier:
    """Who believes that key."""
    return Verifier([key.public_key()])


@pytest.fixture
def scorer(postgres: PostgresServer, dsn: str) -> Database:
    """That database, as a scorer may use it."""
    password = secrets.token_hex(8)
    postgres.sql(f"ALTER ROLE fraudops_scorer_a LOGIN PASSWORD '{password}'")
    (name,) = (part[7:] for part in dsn.split() if part.startswith("dbname="))
    return Database(postgres.tcp_dsn(name, "fraudops_scorer_a", password), name="test")


@pytest.fixture
async def client(scorer: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Of the routes about records, on that database."""
    async with api(scorer) as made:
        yield made
