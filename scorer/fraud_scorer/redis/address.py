"""Where Redis is, and who we are there: told by a caller, or by a mounted Secret.

A Secret has the keys host, port, username, password, tls ("true") and ca.crt, or one key uri
(redis:// or rediss://). It is read anew at each connection, so that a rotation restarts nothing.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fraud_scorer.redis.errors import RedisError

_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A server, and a user of it."""

    host: str
    port: int = _PORT
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None


def mounted(folder: Path) -> RedisAddress:
    """What a mounted Secret says. Raises RedisError."""
    if uri := _read(folder, "uri"):
        return _of_uri(folder, uri)
    host = _read(folder, "host")
    if not host:
        raise RedisError(f"{folder} has neither a key uri nor a key host: add one")
    return RedisAddress(
        host,
        _port(folder, _read(folder, "port") or str(_PORT)),
        _read(folder, "username"),
        _read(folder, "password"),
        _tls(folder) if _read(folder, "tls").lower() == "true" else None,
    )


def _of_uri(folder: Path, uri: str) -> RedisAddress:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("redis", "rediss") or parts.path not in ("", "/", "/0"):
        # What is wrong may be near the password, so it is not shown.
        raise RedisError(
            f"{folder / 'uri'} is not like redis://username:password@host:6379 (rediss:// for TLS)"
        )
    return RedisAddress(
        host,
        port or _PORT,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        _tls(folder) if parts.scheme == "rediss" else None,
    )


def _port(folder: Path, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise RedisError(f"{folder / 'port'} holds {text!r}, which is no port")
    return int(text)


def _tls(folder: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=_read(folder, "ca.crt") or None)
    except ssl.SSLError as error:
        raise RedisError(f"{folder / 'ca.crt'} holds no certificates: {error}") from None


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise RedisError(f"cannot read {folder / name}: {error}") from None
