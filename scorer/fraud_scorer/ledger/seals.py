"""Seals: what somebody vouches for who is not in Postgres.

A seal says what a segment of a chain holds: where it begins, how many entries it has, the hash
before them and the last one, and the digest of the archived file. It is signed (Ed25519) with a key
that only the shipper has; to verify takes the public one, which vouches for nothing.

Whoever seals also numbers its seals, of all chains, and each names the digest of the one before it:
so a chain that is gone with all of its seals leaves gaps.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from msgspec import Struct

_KEY_ID_DIGITS = 16
_CONTEXT = b"fraudops seal\n"


class SealError(Exception):
    """A seal, or a key for seals, that is none; the message says why."""


class Seal(Struct, frozen=True, kw_only=True):
    """What is vouched for. Digests and hashes are hexadecimal."""

    chain: str
    number: int
    first: int
    count: int
    previous: str
    last: str
    sha256: str
    """Of the archived lines, uncompressed."""
    from_at: datetime
    to_at: datetime
    final: bool
    """Whether the chain ends here."""
    log: str
    """Who sealed, and how many seals it had made before."""
    place: int
    after: str
    """The digest of its seal before this one; empty for the first."""
    sealed_at: datetime
    personal: str = ""
    """Of the lines with what is personal, uncompressed; empty where there is nothing, or it waits
    for Postgres, where the keys are."""


class _Signed(Struct, frozen=True):
    seal: msgspec.Raw
    key: str
    signature: str


class Signer:
    """The private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._id = key_id(key.public_key())

    def sign(self, seal: Seal) -> bytes:
        """The seal as it is kept."""
        text = msgspec.json.encode(seal)
        signature = self._key.sign(_CONTEXT + text)
        return msgspec.json.encode(
            _Signed(msgspec.Raw(text), self._id, base64.b64encode(signature).decode())
        )

    @property
    def public(self) -> Ed25519PublicKey:
        """The key that tells its seals from others."""
        return self._key.public_key()


class Verifier:
    """The public keys that are believed."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys: Mapping[str, Ed25519PublicKey] = {key_id(key): key for key in keys}

    def read(self, data: bytes) -> Seal:
        """The seal, if one of the keys vouches for it. Raises SealError."""
        signed = _parsed(data)
        key = self._keys.get(signed.key)
        if key is None:
            raise SealError(
                f"it was made with the key {signed.key}, which was not given: give the public key"
                " that was in use then, too"
            )
        try:
            key.verify(base64.b64decode(signed.signature), _CONTEXT + bytes(signed.seal))
        except (InvalidSignature, ValueError):
            raise SealError("its signature is not that of its key: it was changed") from None
        return _seal(signed)


def unverified(data: bytes) -> Seal:
    """What a seal says, whoever made it. Raises SealError."""
    return _seal(_parsed(data))


def digest(data: bytes) -> str:
    """What the next seal names."""
    return hashlib.sha256(data).hexdigest()


def signer_from(path: Path) -> Signer:
    """The private key in a file of PEM. Raises SealError."""
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise SealError(f"{path} is no private key in PEM without a password: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SealError(
            f"{path} is a key of another kind; make one: openssl genpkey -algorithm ed25519"
        )
    return Signer(key)


def verifier_from(paths: Iterable[Path]) -> Verifier:
    """The public keys in files of PEM. Raises SealError."""
    keys = []
    for path in paths:
        try:
            key = serialization.load_pem_public_key(_read(path))
        except ValueError as error:
            raise SealError(f"{path} is no public key in PEM: {error}") from None
        if not isinstance(key, Ed25519PublicKey):
            raise SealError(f"{path} is a key of another kind than Ed25519")
        keys.append(key)
    return Verifier(keys)


def key_id(key: Ed25519PublicKey) -> str:
    """What seals call a key."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:_KEY_ID_DIGITS]


def _parsed(data: bytes) -> _Signed:
    try:
        return msgspec.json.decode(data, type=_Signed)
    except msgspec.DecodeError as error:
        raise SealError(f"it is not a seal: {error}") from None


def _seal(signed: _Signed) -> Seal:
    try:
        return msgspec.json.decode(signed.seal, type=Seal)
    except msgspec.DecodeError as error:
        raise SealError(f"it is not a seal: {error}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SealError(f"{path}: {error.strerror}") from None
