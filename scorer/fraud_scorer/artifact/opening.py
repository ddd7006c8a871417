"""From where a store is to the store: the one place that knows every kind.

SDKs are imported when the first store of their kind is opened: they take a while, and a process
needs one of them at the most.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from fraud_scorer.artifact.credentials import (
    AmbientIdentity,
    Credentials,
    GoogleKey,
    GoogleWebIdentity,
    Keys,
    Token,
    WebIdentity,
    ca_from_directory,
    credentials_from_directory,
)
from fraud_scorer.artifact.plan import StoreLocation
from fraud_scorer.artifact.store import CredentialsMissing, Store


def open_store(
    location: StoreLocation,
    credentials: Credentials,
    *,
    ca: Path | None = None,
    connect_timeout: float = 5.0,
    read_timeout: float = 20.0,
    attempts: int = 2,
) -> Store:
    """The store at `location`. Nothing is asked of it yet.

    `ca` is a file of certificates in PEM, which alone are trusted then. Timeouts are seconds, for
    each of `attempts`. Raises StoreUnreachable for an endpoint that is none, and CredentialsMissing
    for credentials of another kind of store.
    """
    patience: dict[str, Any] = {
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
        "attempts": attempts,
    }
    if location.s3 is not None:
        from fraud_scorer.artifact.s3 import S3Store

        if not isinstance(credentials, Keys | WebIdentity | AmbientIdentity):
            raise _not_for(location, "accessKeyID and secretAccessKey")
        return S3Store(location.s3, credentials, ca=ca, **patience)
    if location.gcs is not None:
        from fraud_scorer.artifact.gcs import GCSStore

        if not isinstance(credentials, GoogleKey | GoogleWebIdentity | AmbientIdentity):
            raise _not_for(location, "key.json")
        return GCSStore(location.gcs, credentials, ca=ca, **patience)
    assert location.volume is not None, "exactly one is there"  # noqa: S101
    from fraud_scorer.artifact.volume import VolumeStore

    if not isinstance(credentials, Token):
        raise _not_for(location, "token")
    return VolumeStore(location.volume, credentials.text, ca=ca, **patience)


def open_mounted(location: StoreLocation, folder: Path, **patience: Any) -> Store:
    """The store at `location`, asked with what is mounted in `folder`: see credentials.py."""
    credentials = credentials_from_directory(folder, location)
    return open_store(location, credentials, ca=ca_from_directory(folder), **patience)


def open_described(file: Path, folder: Path | None) -> Store:
    """The store whose location is in `file` as JSON, asked with what is mounted in `folder`, or as
    whoever runs this. Raises ValueError for a file that has none, and what `open_store` does."""
    try:
        location = msgspec.json.decode(file.read_bytes(), type=StoreLocation)
    except (OSError, msgspec.DecodeError) as error:
        raise ValueError(f"{file} is not a store's location: {error}") from None
    return open_mounted(location, folder) if folder else open_store(location, AmbientIdentity())


def _not_for(location: StoreLocation, keys: str) -> CredentialsMissing:
    return CredentialsMissing(
        f"these credentials are for another kind of store than {location}: give {keys}"
    )
