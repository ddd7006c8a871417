"""Who asks a store, over what, and how: authorities of one's own, addressing, web identity."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from fraud_scorer.artifact.credentials import GoogleKey, GoogleWebIdentity, Keys
from fraud_scorer.artifact.opening import open_mounted, open_store
from fraud_scorer.artifact.plan import GCSLocation, S3Location, StoreLocation
from fraud_scorer.artifact.store import (
    AccessDenied,
    CredentialsMissing,
    StoreUnreachable,
)
from tests.support.faults import Proxy
from tests.support.google import SERVICE_ACCOUNT, Tokens
from tests.support.object_stores import (
    ACCESS_KEY,
    SECRET_KEY,
    Certificate,
    fake_gcs_server,
    make_google_bucket,
    versitygw,
)

from .conftest import Kind

BUCKET = "fraud-models"
PROVIDER = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["s3", "gcs"])
def private(
    request: pytest.FixtureRequest,
    certificate: Certificate,
    google_key: GoogleKey,
    tmp_path: Path,
) -> Iterator[tuple[StoreLocation, Path]]:
    """A store behind an authority of its own, and what is mounted to ask it."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    if request.param == "s3":
        with versitygw(tmp_path, tls=certificate) as server:
            boto3.client(
                "s3",
                endpoint_url=server.endpoint,
                region_name="us-east-1",
                verify=str(certificate.certificate),
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
            ).create_bucket(Bucket=BUCKET)
            (mounted / "accessKeyID").write_text(ACCESS_KEY)
            (mounted / "secretAccessKey").write_text(SECRET_KEY + "\n")
            yield StoreLocation(s3=S3Location(bucket=BUCKET, endpoint=server.endpoint)), mounted
        return
    with fake_gcs_server(tmp_path, certificate) as server:
        make_google_bucket(server.endpoint, BUCKET, certificate.certificate)
        (mounted / "key.json").write_text(google_key.text)
        yield StoreLocation(gcs=GCSLocation(bucket=BUCKET, endpoint=server.endpoint)), mounted


def test_an_authority_of_ones_own_is_trusted_where_it_is_mounted(
    private: tuple[StoreLocation, Path], certificate: Certificate
) -> None:
    location, mounted = private
    with pytest.raises(StoreUnreachable, match="name its authority in caBundle"):
        open_mounted(location, mounted, attempts=1).list_versions()
    (mounted / "ca.crt").write_bytes(certificate.certificate.read_bytes())
    store = open_mounted(location, mounted, attempts=1)
    store.create("v1/manifest.json", b"x")
    assert store.list_versions() == ["v1"]
    assert store.read("v1/manifest.json", limit=10) is not None


@pytest.mark.parametrize(
    ("style", "host"),
    [("Auto", "s3.test"), ("Path", "s3.test"), ("Virtual", f"{BUCKET}.s3.test")],
)
def test_the_bucket_is_named_where_the_endpoint_wants_it(
    style: Any, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server that knows both ways, behind a name that only this process resolves."""
    resolve = socket.getaddrinfo

    def resolved(name: Any, *more: Any, **others: Any) -> Any:
        known = isinstance(name, str) and name.endswith("s3.test")
        return resolve("127.0.0.1" if known else name, *more, **others)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with versitygw(tmp_path, "--virtual-domain=s3.test") as server, Proxy(server.endpoint) as proxy:
        endpoint = proxy.endpoint.replace("127.0.0.1", "s3.test")
        boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        ).create_bucket(Bucket=BUCKET)
        location = S3Location(bucket=BUCKET, endpoint=endpoint, addressing=style)
        store = open_store(StoreLocation(s3=location), Keys(ACCESS_KEY, SECRET_KEY))
        store.create("v1/manifest.json", b"x")
        assert store.list_versions() == ["v1"]
        assert f"\r\nHost: {host}:".encode() in proxy.heard


def test_a_google_service_account_is_acted_as_by_a_token_of_the_cluster(gcs: Kind) -> None:
    gcs.store().create("v1/manifest.json", b"x")
    with Tokens() as tokens, Proxy(gcs.endpoint) as proxy:
        identity = GoogleWebIdentity(
            SERVICE_ACCOUNT, PROVIDER, lambda: "of-the-cluster", tokens.endpoint, tokens.endpoint
        )
        location = GCSLocation(bucket=gcs.bucket, prefix="card-payments", endpoint=proxy.endpoint)
        store = open_store(StoreLocation(gcs=location), identity)
        assert store.list_versions() == ["v1"]
        (exchange_path, exchange), (acting_path, _) = tokens.asked
    assert exchange_path == "/v1/token"
    assert exchange["audience"] == PROVIDER
    assert exchange["subject_token"] == "of-the-cluster"
    assert acting_path == f"/v1/projects/-/serviceAccounts/{SERVICE_ACCOUNT}:generateAccessToken"
    assert b"authorization: bearer acted-as" in proxy.heard.lower()


def test_a_token_that_google_does_not_exchange_says_whom_to_let_in(gcs: Kind) -> None:
    refusal = {"error": "invalid_target", "error_description": "The target service is unknown."}
    with Tokens((400, refusal)) as tokens:
        identity = GoogleWebIdentity(
            SERVICE_ACCOUNT, PROVIDER, lambda: "of-the-cluster", tokens.endpoint, tokens.endpoint
        )
        location = GCSLocation(bucket=gcs.bucket, endpoint=gcs.endpoint)
        store = open_store(StoreLocation(gcs=location), identity, attempts=1)
        with pytest.raises(AccessDenied, match=r"roles/iam\.workloadIdentityUser"):
            store.list_versions()


def test_google_in_trouble_with_an_exchange_is_no_denial(gcs: Kind) -> None:
    with Tokens((503, {"error": "unavailable"})) as tokens:
        identity = GoogleWebIdentity(
            SERVICE_ACCOUNT, PROVIDER, lambda: "of-the-cluster", tokens.endpoint, tokens.endpoint
        )
        location = GCSLocation(bucket=gcs.bucket, endpoint=gcs.endpoint)
        store = open_store(StoreLocation(gcs=location), identity, attempts=1)
        with pytest.raises(StoreUnreachable, match="gave no token"):
            store.list_versions()


def test_no_token_of_the_service_account_is_no_denial_of_the_store(gcs: Kind) -> None:
    def token() -> str:
        raise CredentialsMissing("no token for ServiceAccount fraud/cards-scorer: no answer")

    identity = GoogleWebIdentity(SERVICE_ACCOUNT, PROVIDER, token)
    location = GCSLocation(bucket=gcs.bucket, endpoint=gcs.endpoint)
    store = open_store(StoreLocation(gcs=location), identity, attempts=1)
    with pytest.raises(CredentialsMissing, match="ServiceAccount fraud/cards-scorer"):
        store.list_versions()
