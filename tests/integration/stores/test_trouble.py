"""Each way in which a store over a network fails has its own error, and none is a verdict."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fraud_scorer.artifact.credentials import AmbientIdentity, GoogleKey, Keys
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import MAX_BYTES
from fraud_scorer.artifact.opening import open_store
from fraud_scorer.artifact.plan import GCSLocation, S3Location, StoreLocation
from fraud_scorer.artifact.store import (
    AccessDenied,
    BucketMissing,
    CredentialsMissing,
    Store,
    StoreUnreachable,
    Unavailable,
    fetch,
    read_manifest,
)
from tests.support.faults import Proxy
from tests.support.google import Tokens

from .conftest import Kind

LARGE = bytes(range(256)) * 4096
NO_PATIENCE = {"attempts": 1, "connect_timeout": 5.0, "read_timeout": 0.2}
PATIENCE = {"attempts": 1, "connect_timeout": 5.0, "read_timeout": 20.0}


@pytest.fixture
def proxy(remote: Kind) -> Iterator[Proxy]:
    with Proxy(remote.endpoint) as proxy:
        yield proxy


def test_a_missing_bucket_is_told_whatever_is_asked(remote: Kind, tmp_path: Path) -> None:
    store = remote.store(bucket="nobody-made-this")
    with pytest.raises(BucketMissing, match=r"there is no (bucket 'nobody-made-this'|folder)"):
        read_manifest(store, "v1")
    with pytest.raises(BucketMissing):
        fetch(store, "v1/model.fdm", tmp_path / "out", sha256="0" * 64, size=1)
    with pytest.raises(BucketMissing):
        store.create("v1/model.fdm", b"x")
    with pytest.raises(BucketMissing):
        store.write(".quarantine/a.json", b"x")


def test_a_store_that_stalls_is_given_up(remote: Kind, proxy: Proxy) -> None:
    remote.store().create("v1/model.fdm", b"x")
    proxy.stalls = True
    store = remote.store(endpoint=proxy.endpoint, **NO_PATIENCE)
    for ask in (
        store.list_versions,
        lambda: store.read("v1/model.fdm", limit=10),
        lambda: list(store.open("v1/model.fdm")),
        lambda: store.write("v1/more", b"x"),
    ):
        with pytest.raises(StoreUnreachable, match="does not answer"):
            ask()
    assert len(proxy.requests) == 4, "asked once each, and no more"


def test_half_a_file_is_no_verdict(remote: Kind, proxy: Proxy, tmp_path: Path) -> None:
    remote.store().create("v1/model.fdm", LARGE)
    proxy.answer_bytes = len(LARGE) // 2
    store = remote.store(endpoint=proxy.endpoint, **PATIENCE)
    with pytest.raises(Unavailable):
        fetch(store, "v1/model.fdm", tmp_path / "out", sha256="0" * 64, size=len(LARGE))
    assert list(tmp_path.glob("out*")) == []


def test_half_a_manifest_is_no_verdict(remote: Kind, proxy: Proxy) -> None:
    remote.store().create("v1/manifest.json", b" " * (MAX_BYTES - 1))
    proxy.answer_bytes = MAX_BYTES // 2
    with pytest.raises(Unavailable):
        read_manifest(remote.store(endpoint=proxy.endpoint, **PATIENCE), "v1")


def test_half_a_listing_is_no_list(remote: Kind, proxy: Proxy) -> None:
    store = remote.store()
    for number in range(30):
        store.create(f"{'version' * 8}-{number}/manifest.json", b"x")
    proxy.answer_bytes = 1500
    store = remote.store(endpoint=proxy.endpoint, **PATIENCE)
    with pytest.raises(Unavailable):
        store.list_versions()


def test_a_store_that_comes_back_is_asked_again(remote: Kind, proxy: Proxy) -> None:
    remote.store().create("v1/manifest.json", b"x")
    store = remote.store(endpoint=proxy.endpoint, attempts=3, read_timeout=20.0)
    proxy.answer_bytes, proxy.cuts = 0, 1
    assert store.list_versions() == ["v1"]
    assert len(proxy.requests) == 2


def test_keys_that_the_store_does_not_know_are_denied(s3: Kind) -> None:
    location = StoreLocation(s3=S3Location(bucket=s3.bucket, endpoint=s3.endpoint))
    with pytest.raises(AccessDenied, match="s3:ListBucket"):
        open_store(location, Keys("AKIAUNKNOWN", "secret")).list_versions()


@contextmanager
def denying() -> Iterator[str]:
    """What Google says to whom it does not allow to (fake-gcs-server allows everybody)."""
    text = json.dumps(
        {"error": {"code": 403, "message": "x does not have storage.objects.list access"}}
    ).encode()

    class Denying(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Denying) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def at_google(endpoint: str, key: GoogleKey | AmbientIdentity) -> Store:
    location = GCSLocation(bucket="models", endpoint=endpoint)
    return open_store(StoreLocation(gcs=location), key, attempts=1)


def test_a_service_account_without_a_role_is_denied(google_key: GoogleKey) -> None:
    with denying() as endpoint:
        store = at_google(endpoint, google_key)
        with pytest.raises(AccessDenied, match=r"403.*roles/storage\.objectViewer"):
            store.list_versions()
        with pytest.raises(AccessDenied, match="refuses to read"):
            store.read("v1/manifest.json", limit=10)
        with pytest.raises(AccessDenied, match="refuses to write"):
            store.write("v1/manifest.json", b"x")


def test_a_key_that_google_does_not_take_any_more_is_denied(gcs: Kind) -> None:
    answer = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    with Tokens((400, answer)) as tokens:
        store = at_google(gcs.endpoint, GoogleKey(tokens.key()))
        with pytest.raises(AccessDenied, match=r"Invalid JWT Signature.*give a key that is valid"):
            store.list_versions()


def test_google_in_trouble_with_tokens_is_no_denial(gcs: Kind) -> None:
    with Tokens((503, {"error": "unavailable"})) as tokens:
        store = at_google(gcs.endpoint, GoogleKey(tokens.key()))
        with pytest.raises(StoreUnreachable, match="gave no token"):
            store.list_versions()


def test_nobody_to_ask_google_as(
    gcs: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(CredentialsMissing, match=r"key\.json"):
        at_google(gcs.endpoint, AmbientIdentity())


def test_a_folder_that_may_not_be_read_is_denied(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.create("v1/manifest.json", b"x")
    (tmp_path / "v1").chmod(0)
    user = os.geteuid()
    if user == 0:  # who may read everything
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(AccessDenied, match="change its mode or owner"):
            store.read("v1/manifest.json", limit=10)
        with pytest.raises(AccessDenied):
            store.write("v1/more", b"x")
    finally:
        os.seteuid(user)
        (tmp_path / "v1").chmod(0o755)
