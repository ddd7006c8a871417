"""Every kind of model store behind a real server, each asked by the same tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fraud_scorer.artifact.credentials import GoogleKey, Keys, Token
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import FileRef, Manifest
from fraud_scorer.artifact.opening import open_store
from fraud_scorer.artifact.plan import GCSLocation, S3Location, StoreLocation, VolumeLocation
from fraud_scorer.artifact.store import Store
from tests.support import manifests
from tests.support.bucket import client_of
from tests.support.google import Tokens
from tests.support.manifests import MODEL_BYTES
from tests.support.object_stores import (
    ACCESS_KEY,
    SECRET_KEY,
    VOLUME_TOKEN,
    fake_gcs_server,
    make_google_bucket,
    versitygw,
    volume_server,
)

PREFIX = "card-payments/"
Open = Callable[..., Store]


@dataclass(frozen=True)
class Kind:
    """One kind of store. `open` takes bucket, endpoint and what `open_store` takes."""

    endpoint: str
    bucket: str
    open: Open

    def store(self, **more: Any) -> Store:
        """The store, or with another endpoint, bucket or patience."""
        return self.open(**{"endpoint": self.endpoint, "bucket": self.bucket, **more})


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with versitygw(tmp_path_factory.mktemp("s3")) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fake_gcs_server(tmp_path_factory.mktemp("gcs")) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def volume_server_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with volume_server(tmp_path_factory.mktemp("volume")) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def lost_volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose volume went away under it."""
    folder = tmp_path_factory.mktemp("lost")
    with volume_server(folder) as server:
        (folder / "volume").rmdir()
        yield server.endpoint


@pytest.fixture(scope="session")
def google_key() -> Iterator[GoogleKey]:
    with Tokens() as tokens:
        yield GoogleKey(tokens.key())


@pytest.fixture
def s3(s3_server: str) -> Kind:
    bucket = f"models-{secrets.token_hex(4)}"
    client_of(s3_server, ACCESS_KEY, SECRET_KEY).create_bucket(Bucket=bucket)

    def open_s3(*, endpoint: str, bucket: str, **more: Any) -> Store:
        location = S3Location(bucket=bucket, prefix=PREFIX, endpoint=endpoint)
        return open_store(StoreLocation(s3=location), Keys(ACCESS_KEY, SECRET_KEY), **more)

    return Kind(s3_server, bucket, open_s3)


@pytest.fixture
def gcs(gcs_server: str, google_key: GoogleKey) -> Kind:
    bucket = f"models-{secrets.token_hex(4)}"
    make_google_bucket(gcs_server, bucket)

    def open_gcs(*, endpoint: str, bucket: str, **more: Any) -> Store:
        location = GCSLocation(bucket=bucket, prefix=PREFIX, endpoint=endpoint)
        return open_store(StoreLocation(gcs=location), google_key, **more)

    return Kind(gcs_server, bucket, open_gcs)


@pytest.fixture
def volume(volume_server_endpoint: str, lost_volume: str) -> Kind:
    """A bucket is a folder of the volume here: the store's prefix begins with it."""
    made = f"models-{secrets.token_hex(4)}"

    def open_volume(*, endpoint: str, bucket: str, **more: Any) -> Store:
        url = endpoint if bucket == made else lost_volume
        location = VolumeLocation(url=url, prefix=f"{bucket}/{PREFIX}")
        return open_store(StoreLocation(volume=location), Token(VOLUME_TOKEN), **more)

    return Kind(volume_server_endpoint, made, open_volume)


@pytest.fixture(params=["s3", "gcs", "volume"])
def remote(request: pytest.FixtureRequest) -> Kind:
    """A kind of store that is asked over a network."""
    kind: Kind = request.getfixturevalue(request.param)
    return kind


@pytest.fixture(params=["s3", "gcs", "volume", "directory"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Any kind of store."""
    if request.param != "directory":
        kind: Kind = request.getfixturevalue(request.param)
        return kind
    (tmp_path / "models").mkdir()

    def open_directory(*, endpoint: str, bucket: str) -> Store:
        return DirectoryStore(tmp_path / bucket)

    return Kind("", "models", open_directory)


@pytest.fixture
def store(kind: Kind) -> Store:
    return kind.store()


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.fdm"
    path.write_bytes(MODEL_BYTES)
    return path


def manifest(version: str = "v1", *, content: bytes = MODEL_BYTES, **changes: Any) -> Manifest:
    """What is said of a version whose model is `content`."""
    model = FileRef(path="model.fdm", sha256=sha256_hex(content), size=len(content), role="model")
    return manifests.manifest(version, **{"files": (model,), **changes})
