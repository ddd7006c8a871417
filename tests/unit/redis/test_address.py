"""Where Redis is: a mounted Secret says it, in either of two ways, and says what of it is wrong."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from fraud_scorer.redis.address import RedisAddress, mounted
from fraud_scorer.redis.errors import RedisError


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "redis"
    folder.mkdir()
    return folder


def write(folder: Path, **keys: str) -> None:
    for name, text in keys.items():
        (folder / name.replace("_", ".")).write_text(text)


@pytest.mark.parametrize(
    ("keys", "address"),
    [
        ({"host": "r"}, RedisAddress("r", 6379)),
        (
            {"host": "r\n", "port": "6380\n", "username": "scorer", "password": "s3cret\n"},
            RedisAddress("r", 6380, "scorer", "s3cret"),
        ),
        ({"host": "r", "tls": "false"}, RedisAddress("r")),
        ({"uri": "redis://r"}, RedisAddress("r", 6379)),
        ({"uri": "redis://:a%2Fb@r:1/0\n", "host": "no"}, RedisAddress("r", 1, "", "a/b")),
        ({"uri": "redis://scorer:pw@[::1]:6380/"}, RedisAddress("::1", 6380, "scorer", "pw")),
    ],
)
def test_what_is_mounted(secret: Path, keys: dict[str, str], address: RedisAddress) -> None:
    write(secret, **keys)
    assert mounted(secret) == address


@pytest.mark.parametrize("keys", [{"host": "r", "tls": "true"}, {"uri": "rediss://r"}])
def test_with_tls_the_server_is_checked(secret: Path, keys: dict[str, str]) -> None:
    write(secret, **keys)
    tls = mounted(secret).tls
    assert tls is not None
    assert tls.check_hostname
    assert tls.verify_mode is ssl.CERT_REQUIRED


def test_a_rotation_is_seen(secret: Path) -> None:
    write(secret, host="r", password="old")
    assert mounted(secret).password == "old"
    write(secret, password="new")
    assert mounted(secret).password == "new"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "has neither a key uri nor a key host"),
        ({"host": "r", "port": "many"}, "holds 'many', which is no port"),
        ({"host": "r", "port": "0"}, "is no port"),
        ({"uri": "http://r"}, "is not like redis://"),
        ({"uri": "redis://u:s3cret@r:port"}, "is not like redis://"),
        ({"uri": "redis://r/3"}, "is not like redis://"),
        ({"uri": "redis://"}, "is not like redis://"),
        ({"host": "r", "tls": "true", "ca_crt": "none"}, r"ca\.crt holds no certificates"),
    ],
)
def test_what_is_wrong_is_said(secret: Path, keys: dict[str, str], message: str) -> None:
    write(secret, **keys)
    with pytest.raises(RedisError, match=message) as refused:
        mounted(secret)
    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(RedisAddress("r", password="s3cret"))
