"""Secrets with values that nobody may foresee: made up once, and completed where keys are missing.

One that outlives its detector has no owner, and a detector of the same name takes it back by its
labels. What is in it stays as it is: there may be data that is guarded by it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
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
from fraud_operator.plan.types import Desired, Manifested
from fraud_operator.runtime.kinds import SECRET
from fraud_operator.runtime.kube import Kube
from fraud_scorer.artifact.digest import canonical_json, sha256_hex

_RANDOM_BYTES = 32
_REMEMBER_SECONDS = 30.0


class KeptSecrets:
    """Brings those up that are there. They are not watched, so each is read, and that it was as it
    should be is remembered for a while."""

    def __init__(self, kube: Kube, clock: Callable[[], float]) -> None:
        self._kube = kube
        self._clock = clock
        self._settled: dict[tuple[str, str], tuple[tuple[str, str], float]] = {}
        """By namespace and name: of which detector and manifest it was, and until when that is
        believed."""

    def are_settled(self, desired: Desired, uid: str) -> bool:
        """Whether there is nothing to be looked at again."""
        known, until = self._settled.get(_place(desired), (("", ""), 0.0))
        return known == _plan(desired, uid) and self._clock() < until

    async def bring_up(self, desired: Desired, live: Manifested, uid: str) -> bool:
        """Give `live` back to the detector of that `uid`, with the keys that it lacks; whether
        anything had to be written. Raises ApiError."""
        patch = standing_of(live, desired.manifest)
        if lacking := made_up(desired.generated, live.get("data") or {}):
            patch["data"] = lacking
        if not patch:
            remembered = self._clock() + _REMEMBER_SECONDS
            self._settled[_place(desired)] = (_plan(desired, uid), remembered)
            return False
        await self._kube.merge(SECRET, *_place(desired), patch, uid=live["metadata"]["uid"])
        return True

    def forget(self, namespace: str, names: Iterable[str]) -> None:
        """Their detector is gone."""
        for name in names:
            self._settled.pop((namespace, name), None)


def made_up(values: Mapping[str, Value], there: Mapping[str, str] | None = None) -> dict[str, str]:
    """Data of a Secret (base64), of the keys that are not `there`: those are what others follow
    from, and stay. A text of ours with the digest of another key is made anew where it is not what
    it would be now."""
    known = {key: base64.b64decode(text).decode() for key, text in (there or {}).items()}
    made: dict[str, str] = {}
    for key, value in values.items():  # what follows from another key comes after it
        if key not in known or (isinstance(value, WithDigest) and _differs(value, key, known)):
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


def _place(desired: Desired) -> tuple[str, str]:
    meta = desired.manifest["metadata"]
    return meta["namespace"], meta["name"]


def _plan(desired: Desired, uid: str) -> tuple[str, str]:
    return uid, sha256_hex(canonical_json(desired.manifest))


def _differs(value: WithDigest, key: str, known: Mapping[str, str]) -> bool:
    return value.of in known and _made_up(value, known) != known[key]


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
            return text.replace("{digest}", sha256_hex(known[of].encode()))
