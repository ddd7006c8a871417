"""Personal data in the archive, each person's under a key of that person's own.

The keys are in Postgres only. Erasing a person is deleting a key: what lies in the archive, in
copies and under Object Lock too, is noise from then on.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from fraud_scorer.ledger.chain import Link
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.delivery import erasures
from fraud_scorer.ledger.entries import SALT_BYTES, decode, decode_personal
from fraud_scorer.ledger.rows import subject_of

NOBODY = "nobody"
"""Whose key is taken for transactions that name no person."""

_NONCE_BYTES = 12


class Locked(Struct, frozen=True, array_like=True):
    """A line: what belongs to an entry, and the key that opens it."""

    sequence: int
    key: str
    data: str


def keys_for(connection: Connection, subjects: Iterable[str]) -> dict[str, tuple[UUID, bytes]]:
    """Each person's key, made where there is none."""
    wanted = sorted(set(subjects))
    connection.execute(
        "INSERT INTO subject_keys (subject, key) SELECT * FROM unnest(%s::text[], %s::bytea[])"
        " ON CONFLICT (subject) DO NOTHING",
        [wanted, [AESGCM.generate_key(256) for _ in wanted]],
    )
    found = connection.execute(
        "SELECT subject, id, key FROM subject_keys WHERE subject = ANY(%s)", [wanted]
    )
    return {subject: (identity, key) for subject, identity, key in found}


def lock(connection: Connection, links: Sequence[Link], *, subject_kind: str) -> bytes:
    """The lines for what is personal of these links, at least one; of nobody who was erased."""
    erased = erasures(connection, decode(links[0].body).at)
    who: dict[int, str] = {}
    for link in links:
        if link.beside:
            subject = subject_of(decode_personal(link.beside[SALT_BYTES:]), subject_kind)
            if not (subject and erased(subject, decode(link.body).at)):
                who[link.sequence] = subject or NOBODY
    keys = keys_for(connection, who.values())
    lines = []
    for link in links:
        # One who was erased at this very moment has no key any more.
        if link.sequence in who and who[link.sequence] in keys:
            identity, key = keys[who[link.sequence]]
            nonce = os.urandom(_NONCE_BYTES)
            data = nonce + AESGCM(key).encrypt(nonce, link.beside, link.hash)
            line = Locked(link.sequence, str(identity), base64.b64encode(data).decode())
            lines.append(msgspec.json.encode(line))
    return b"".join(line + b"\n" for line in lines)


def locked(lines: bytes) -> list[Locked]:
    """Raises msgspec.DecodeError."""
    return [msgspec.json.decode(line, type=Locked) for line in lines.splitlines()]


def key_of(connection: Connection, line: Locked) -> bytes | None:
    """The key that opens it; None where the person was erased."""
    row = connection.execute("SELECT key FROM subject_keys WHERE id = %s", [line.key]).fetchone()
    return None if row is None else bytes(row[0])


def unlock(line: Locked, digest: bytes, key: bytes) -> bytes | None:
    """Salt and data of an entry with that hash; None for what is not that entry's."""
    data = base64.b64decode(line.data)
    try:
        return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], digest)
    except InvalidTag:
        return None
