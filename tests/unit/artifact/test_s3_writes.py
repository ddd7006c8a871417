"""What an S3 store says of a file that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.s3 import S3Store

from .conftest import KEYS


def head(location: S3Location, path: str) -> dict[str, Any]:
    client = boto3.client(
        "s3",
        endpoint_url=location.endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    return dict(client.head_object(Bucket=location.bucket, Key=location.prefix + path))


@pytest.mark.parametrize(
    ("encryption", "kms_key"), [("AES256", ""), ("aws:kms", "alias/models"), ("aws:kms:dsse", "")]
)
def test_what_is_written_is_encrypted_as_the_spec_says(
    s3_location: S3Location, encryption: Any, kms_key: str, tmp_path: Path
) -> None:
    (tmp_path / "model.fdm").write_bytes(b"model")
    location = msgspec.structs.replace(s3_location, encryption=encryption, kms_key=kms_key)
    store = S3Store(location, KEYS)
    store.create("v1/model.fdm", tmp_path / "model.fdm")
    store.write(".proofs/a.json", b"{}")
    for path in ("v1/model.fdm", ".proofs/a.json"):
        found = head(s3_location, path)
        assert found["ServerSideEncryption"] == encryption
        assert found.get("SSEKMSKeyId", "") == kms_key


def test_without_a_word_the_bucket_decides(s3_location: S3Location) -> None:
    S3Store(s3_location, KEYS).write("a", b"x")
    assert "SSEKMSKeyId" not in head(s3_location, "a")


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        (".proofs/a.html", "text/html; charset=utf-8"),
        (".proofs/a.json", "application/json"),
        ("v1/model.fdm", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
    ],
)
def test_a_browser_is_told_what_a_report_is(s3_location: S3Location, path: str, type_: str) -> None:
    S3Store(s3_location, KEYS).write(path, b"x")
    assert head(s3_location, path)["ContentType"] == type_
