"""Each way in which an S3 API fails has its own error, which says what to do next."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import httpx
import pytest

from fraud_scorer.artifact.credentials import AmbientIdentity, Keys, WebIdentity
from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import (
    AccessDenied,
    BucketMissing,
    CredentialsMissing,
    FileMissing,
    StoreUnreachable,
    fetch,
)

from .conftest import BUCKET, KEYS

Handler = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def answering(handler: Handler) -> Iterator[str]:
    """An HTTP server that answers everything in one way."""

    class Fixed(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handler(self)

        def do_POST(self) -> None:
            handler(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fixed) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def status(code: int, body: bytes = b"") -> Handler:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def at(endpoint: str, **more: float) -> S3Store:
    return S3Store(S3Location(bucket=BUCKET, endpoint=endpoint), KEYS, attempts=1, **more)


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StoreUnreachable, match=f"is the endpoint {endpoint} right"):
            at(endpoint).list_versions()


def test_somebody_listens_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        store = at(f"http://127.0.0.1:{mute.getsockname()[1]}", read_timeout=0.1)
        with pytest.raises(StoreUnreachable, match="does not answer"):
            store.list_versions()


@pytest.mark.parametrize("code", [500, 503, 429])
def test_a_store_in_trouble_is_unreachable(code: int) -> None:
    with answering(status(code)) as endpoint, pytest.raises(StoreUnreachable, match=str(code)):
        at(endpoint).list_versions()


def test_an_endpoint_that_is_no_store() -> None:
    with (
        answering(status(200, b"<html>Welcome</html>")) as endpoint,
        pytest.raises(StoreUnreachable, match="is not an S3 API"),
    ):
        at(endpoint).list_versions()


def test_bytes_from_an_endpoint_that_is_no_store_are_no_verdict(tmp_path: Path) -> None:
    with (
        answering(status(200, b"<html>Welcome</html>")) as endpoint,
        pytest.raises(StoreUnreachable, match="is not an S3 API"),
    ):
        fetch(at(endpoint), "v1/model.fdm", tmp_path / "model", sha256="0" * 64, size=1000)


def test_an_endpoint_that_is_no_url() -> None:
    with pytest.raises(StoreUnreachable, match="the endpoint is a URL such as"):
        at("minio:9000")


def test_a_connection_lost_in_the_middle_of_a_file(tmp_path: Path) -> None:
    def half(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("ETag", '"1"')
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"x" * 500)

    with answering(half) as endpoint, pytest.raises(StoreUnreachable):
        fetch(at(endpoint), "v1/model.fdm", tmp_path / "model", sha256="0" * 64, size=1000)
    assert list(tmp_path.iterdir()) == []


def test_no_bucket(s3_endpoint: str) -> None:
    location = S3Location(bucket="nobody-made-this", endpoint=s3_endpoint)
    with pytest.raises(BucketMissing, match="there is no bucket 'nobody-made-this'"):
        S3Store(location, KEYS).list_versions()


def test_no_file(s3_store: S3Store) -> None:
    with pytest.raises(FileMissing) as caught:
        s3_store.read("v1/manifest.json", limit=10)
    assert caught.value.file == "v1/manifest.json"


@pytest.fixture
def enforced(s3_location: S3Location) -> Iterator[S3Location]:
    """The same bucket, at a store that now checks signatures and permissions."""
    url = f"{s3_location.endpoint}/moto-api/reset-auth"
    httpx.post(url, content=b"0").raise_for_status()
    yield s3_location
    httpx.post(url, content=b"inf").raise_for_status()


def test_unknown_keys_are_denied(enforced: S3Location) -> None:
    with pytest.raises(AccessDenied, match=r"InvalidAccessKeyId.*s3:ListBucket"):
        S3Store(enforced, Keys("AKIAUNKNOWN", "secret")).list_versions()


def test_a_user_without_permission_is_denied(s3_location: S3Location) -> None:
    iam = boto3.client(
        "iam",
        endpoint_url=s3_location.endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    iam.create_user(UserName="nobody")
    made = iam.create_access_key(UserName="nobody")["AccessKey"]
    url = f"{s3_location.endpoint}/moto-api/reset-auth"
    httpx.post(url, content=b"0").raise_for_status()
    try:
        store = S3Store(s3_location, Keys(made["AccessKeyId"], made["SecretAccessKey"]))
        with pytest.raises(AccessDenied, match="AccessDenied"):
            store.list_versions()
        with pytest.raises(AccessDenied, match="s3:PutObject"):
            store.create("v1/model.fdm", b"x")
    finally:
        httpx.post(url, content=b"inf").raise_for_status()


def test_nothing_to_authenticate_with(
    s3_location: S3Location, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CredentialsMissing, match="accessKeyID"):
        S3Store(s3_location, AmbientIdentity()).list_versions()


def test_given_keys_win_over_the_environment(
    s3_location: S3Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def note(request: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(request.headers["Authorization"])
        status(500)(request)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "THE-OPERATORS-OWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with answering(note) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        with pytest.raises(StoreUnreachable):
            at(endpoint).list_versions()
    assert "Credential=testing/" in seen[0]


def test_a_web_identity_is_exchanged_for_keys(s3_location: S3Location) -> None:
    asked = []

    def token() -> str:
        asked.append(1)
        return json.dumps({"sub": "system:serviceaccount:fraud:card-payments-scorer"})

    identity = WebIdentity(
        "arn:aws:iam::123456789012:role/models", token, sts_endpoint=s3_location.endpoint
    )
    assert S3Store(s3_location, identity).list_versions() == []
    assert asked


def assuming(s3_location: S3Location, sts: str, role: str, **more: float) -> S3Store:
    identity = WebIdentity(role, lambda: "a token", sts_endpoint=sts)
    return S3Store(s3_location, identity, attempts=1, **more)


def sts_error(code: str) -> bytes:
    return (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{code}</Code><Message>Not for you</Message></Error></ErrorResponse>"
    ).encode()


@pytest.mark.parametrize(
    ("answer", "code", "error", "advice"),
    [
        (403, "AccessDenied", AccessDenied, "trust policy"),
        (400, "InvalidIdentityToken", AccessDenied, "trust policy"),
        (500, "InternalFailure", StoreUnreachable, "tried again"),
        (400, "Throttling", StoreUnreachable, "tried again"),
    ],
)
def test_a_role_that_is_not_given_is_not_blamed_on_the_bucket(
    s3_location: S3Location, answer: int, code: str, error: type[Exception], advice: str
) -> None:
    asked = []

    def refuse(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(1)
        request.rfile.read(int(request.headers["Content-Length"]))
        status(answer, sts_error(code))(request)

    with answering(refuse) as sts:
        store = assuming(s3_location, sts, "arn:aws:iam::123456789012:role/models")
        with pytest.raises(
            error, match=rf"role/models \({code}: Not for you\).*{advice}"
        ) as caught:
            store.list_versions()
    assert "s3:ListBucket" not in str(caught.value)
    assert len(asked) == 1, "a store that is to be asked once asks for its keys once"


def test_a_role_that_is_none_is_named(s3_location: S3Location) -> None:
    with pytest.raises(CredentialsMissing, match="'models' is no role: correct its ARN"):
        assuming(s3_location, s3_location.endpoint, "models").list_versions()


def test_an_exchange_that_says_nothing_is_given_up_as_a_store_is(s3_location: S3Location) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        sts = f"http://127.0.0.1:{mute.getsockname()[1]}"
        role = "arn:aws:iam::123456789012:role/models"
        with pytest.raises(StoreUnreachable, match="Read timeout"):
            assuming(s3_location, sts, role, read_timeout=0.1).list_versions()
