"""Keys come from exactly where they are said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_scorer.artifact.credentials import (
    AmbientIdentity,
    Credentials,
    GoogleKey,
    Keys,
    Token,
    credentials_from_directory,
    keys_from_directory,
    keys_from_mapping,
)
from fraud_scorer.artifact.opening import open_store
from fraud_scorer.artifact.plan import GCSLocation, S3Location, StoreLocation, VolumeLocation
from fraud_scorer.artifact.store import CredentialsMissing


def test_both_ways_to_name_keys() -> None:
    short = {"accessKeyID": "id", "secretAccessKey": "secret"}
    aws = {"AWS_ACCESS_KEY_ID": "id\n", "AWS_SECRET_ACCESS_KEY": "secret\n"}
    assert keys_from_mapping(short, where="s") == Keys("id", "secret")
    assert keys_from_mapping(aws, where="s") == Keys("id", "secret")
    assert keys_from_mapping({**aws, "sessionToken": "t"}, where="s").session_token == "t"


def test_a_missing_key_is_named() -> None:
    with pytest.raises(
        CredentialsMissing, match=r"Secret a/b has no key secretAccessKey .* with text"
    ):
        keys_from_mapping({"accessKeyID": "id", "secretAccessKey": " "}, where="Secret a/b")


@pytest.mark.parametrize("name", ["accessKeyID", "secretAccessKey", "sessionToken"])
@pytest.mark.parametrize("value", ["first\nsecond", "two words", "caf\u00e9", "a\x01b"])
def test_what_no_header_can_carry_is_refused_and_not_repeated(name: str, value: str) -> None:
    values = {"accessKeyID": "id", "secretAccessKey": "secret", name: value}
    with pytest.raises(CredentialsMissing, match=f"Secret a/b: {name} has a space") as caught:
        keys_from_mapping(values, where="Secret a/b")
    assert value not in str(caught.value)


def test_a_mounted_secret_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "accessKeyID").write_text("id")
    with pytest.raises(CredentialsMissing, match="secretAccessKey"):
        keys_from_directory(tmp_path)
    (tmp_path / "secretAccessKey").write_text("first")
    assert keys_from_directory(tmp_path) == Keys("id", "first")
    (tmp_path / "secretAccessKey").write_text("second")
    assert keys_from_directory(tmp_path) == Keys("id", "second")


def test_keys_do_not_show() -> None:
    assert "secret" not in repr(Keys("id", "secret", "secret"))


S3 = StoreLocation(s3=S3Location(bucket="b"))
GCS = StoreLocation(gcs=GCSLocation(bucket="b"))
VOLUME = StoreLocation(volume=VolumeLocation(url="http://store:8080/claim"))
GOOGLE = '{"client_email": "a", "private_key": "b", "token_uri": "c"}'


@pytest.mark.parametrize(
    ("location", "files", "found"),
    [
        (S3, {"accessKeyID": "id", "secretAccessKey": "key\n"}, Keys("id", "key")),
        (GCS, {"key.json": GOOGLE}, GoogleKey(GOOGLE)),
        (VOLUME, {"token": "secret\n"}, Token("secret")),
        (S3, {"ca.crt": "only who to trust"}, AmbientIdentity()),
        (GCS, {"ca.crt": "only who to trust"}, AmbientIdentity()),
        (S3, None, AmbientIdentity()),
    ],
)
def test_who_asks_is_told_by_what_is_mounted(
    location: StoreLocation, files: dict[str, str] | None, found: Credentials, tmp_path: Path
) -> None:
    assert credentials_from_directory(mounted(tmp_path, files), location) == found


@pytest.mark.parametrize(
    ("location", "files", "advice"),
    [
        (S3, {"key.json": GOOGLE}, "has no key accessKeyID"),
        (GCS, {"accessKeyID": "id"}, "no .*key.json: mount the Secret with that key"),
        (GCS, {"key.json": "{}"}, "gcloud iam service-accounts keys create"),
        (VOLUME, {}, "no .*token: mount the Secret with that key"),
        (VOLUME, None, "no .*token: mount the Secret with that key"),
        (S3, {}, "has no key accessKeyID"),
    ],
)
def test_what_is_mounted_for_another_store_is_not_replaced_by_anything(
    location: StoreLocation, files: dict[str, str] | None, advice: str, tmp_path: Path
) -> None:
    with pytest.raises(CredentialsMissing, match=advice):
        credentials_from_directory(mounted(tmp_path, files), location)


def mounted(folder: Path, files: dict[str, str] | None) -> Path:
    """As a kubelet mounts them, with links of its own."""
    if files is None:
        return folder / "nowhere"
    (folder / "..data").mkdir()
    for name, text in files.items():
        (folder / "..data" / name).write_text(text)
        (folder / name).symlink_to(Path("..data", name))
    return folder


def test_no_secret_is_shown() -> None:
    shown = repr([GoogleKey("hidden"), Token("hidden"), Keys("id", "hidden", "hidden")])
    assert "hidden" not in shown


def test_credentials_of_another_kind_open_no_store() -> None:
    with pytest.raises(CredentialsMissing, match="another kind of store than gs://b/"):
        open_store(GCS, Keys("id", "key"))
    with pytest.raises(CredentialsMissing, match="give accessKeyID and secretAccessKey"):
        open_store(S3, GoogleKey(GOOGLE))
