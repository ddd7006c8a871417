"""Keys come from exactly where they are said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraud_scorer.artifact.credentials import Keys, keys_from_directory, keys_from_mapping
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
