"""Secrets that a detector's spec names: read by name when needed, never watched, never kept.

Only which keys a Secret has is remembered, and only for half a minute, so that a rollout's many
looks cost one read. That a Secret is missing is never remembered.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable

from fraud_operator.runtime.kinds import SECRET
from fraud_operator.runtime.kube import Kube

_REMEMBER_SECONDS = 30.0
_REMEMBER_MOST = 10_000


class Secrets:
    """Reads Secrets. Both methods raise ApiError."""

    def __init__(self, kube: Kube, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}

    async def keys(self, namespace: str, name: str) -> frozenset[str] | None:
        """The keys of the Secret's data, up to half a minute old; None where there is none."""
        known = self._known.get((namespace, name))
        if known is not None and known[0] > self._clock():
            return known[1]
        secret = await self._kube.get(SECRET, namespace, name)
        self._known.pop((namespace, name), None)
        if secret is None:
            return None
        keys = frozenset(secret.get("data") or ())
        while len(self._known) >= _REMEMBER_MOST:
            del self._known[next(iter(self._known))]
        self._known[namespace, name] = (self._clock() + _REMEMBER_SECONDS, keys)
        return keys

    async def values(self, namespace: str, name: str) -> dict[str, str] | None:
        """The Secret's data as text, read now; None where there is no such Secret.

        A value that is not text is left out: nothing that we read is binary.
        """
        secret = await self._kube.get(SECRET, namespace, name)
        if secret is None:
            return None
        values: dict[str, str] = {}
        for key, value in (secret.get("data") or {}).items():
            try:
                values[key] = base64.b64decode(value).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
        return values
