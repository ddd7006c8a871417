"""Secrets with values that nobody may foresee: made up once, and completed where keys are missing.

One that outlives its detector has no owner, and a detector of the same name takes it back by its
labels. What is in it stays as it is: there may be data that is guarded by it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from fraud_operator.plan.generated import PublicKey, Random, SigningKey, Value, WithDigest
from fraud_operator.plan.types import Manifested

_RANDOM_BYTES = 32


def made_up(values: Mapping[str, Value], there: Mapping[str, str] | None = None) -> dict[str, str]:
    """Data of a Secret (base64), of the keys that are not `there`: those are what others follow
    from, and stay."""
    known = {key: base64.b64decode(text).decode() for key, text in (there or {}).items()}
    made: dict[str, str] = {}
    for key, value in values.items():  # what follows from another key comes after it
        if key not in known:
            known[key] = _made_up(value, known)
            made[key] = base64.b64encode(known[key].encode()).decode()
    return made


def standing_of(live: Manifested, manifest: Manifested) -> dict[str, Any]:
    """The patch by which `live` is whose `manifest` says it is; empty where it is that already."""
    had, wanted = live["metadata"], manifest["metadata"]
    labels = had.get("labels") or {}
    patch: dict[str, Any] = {
        key: wanted["labels"].get(key)
        for key in labels.keys() | wanted["labels"].keys()
        if key in _OURS and labels.get(key) != wanted["labels"].get(key)
    }
    found: dict[str, Any] = {"labels": patch} if patch else {}
    owners = [one["uid"] for one in had.get("ownerReferences") or ()]
    if owners != [one["uid"] for one in wanted.get("ownerReferences") or ()]:
        found["ownerReferences"] = wanted.get("ownerReferences")
    return {"metadata": found} if found else {}


_OURS = {
    *(f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of")),
    "app.kubernetes.io/managed-by",
    "fraudops.io/detector",
}


def _made_up(value: Value, known: Mapping[str, str]) -> str:
    match value:
        case str():
            return value
        case Random():
            return token_urlsafe(_RANDOM_BYTES)
        case SigningKey():
            key = Ed25519PrivateKey.generate()
            return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        case PublicKey(of):
            private = load_pem_private_key(known[of].encode(), None)
            public = private.public_key()
            return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        case WithDigest(of, text):
            return text.replace("{digest}", sha256(known[of].encode()).hexdigest())
