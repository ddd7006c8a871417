"""The token of a detector's management ports: read by name from the Secret that the operator made.

It is remembered from when it was made, and for minutes, so that a roll-out's many looks cost one
read at most; for a few seconds only where pods do not know it (any more), or wait for something
before they can start.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import management_name
from fraud_operator.plan.management_token import TOKEN_KEY
from fraud_operator.plan.types import Manifested
from fraud_operator.runtime.kinds import SECRET
from fraud_operator.runtime.kube import Kube

DENIED = "it does not take the management token"
"""What is said of a pod that knows another token, or none."""

_REMEMBER_SECONDS = 300.0
_DOUBT_SECONDS = 3.0
_REMEMBER_MOST = 10_000
_SHORTEST = 16
_SHOWN = ("name", "namespace", "uid", "labels", "ownerReferences", "deletionTimestamp")


@dataclass(frozen=True, slots=True)
class Management:
    """What there is: the Secret without its data (None: there is none), and the token in it."""

    secret: Manifested | None = None
    token: str = field(default="", repr=False)

    @property
    def problem(self) -> str:
        """What is wrong with it and what to do; empty where nothing is."""
        if self.secret is None or self.token:
            return ""
        meta = self.secret["metadata"]
        return (
            f"Secret {meta['namespace']}/{meta['name']} has no key {TOKEN_KEY} with at least"
            f" {_SHORTEST} characters in it: delete the Secret, and the operator makes a new one"
        )


class Tokens:
    """Reads them. Raises ApiError."""

    def __init__(self, kube: Kube, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Management]] = {}

    async def of(self, detector: FraudDetector, *, doubted: bool = False) -> Management:
        """That of `detector`; `doubted` where something speaks against what is remembered."""
        place = (detector.namespace, management_name(detector))
        read_at, known = self._known.get(place, (float("-inf"), Management()))
        ours = known.secret is not None and _is_of(known.secret, detector)
        most = _DOUBT_SECONDS if doubted else _REMEMBER_SECONDS
        if ours and self._clock() - read_at < most:
            return known
        secret = await self._kube.get(SECRET, *place)
        if secret is None:
            self._known.pop(place, None)
            return Management()
        ours = _is_of(secret, detector)
        return self._remember(place, Management(_shown(secret), _token(secret) if ours else ""))

    def made(self, secret: Manifested) -> None:
        """The operator has just made this Secret; remembered if it holds a token."""
        if TOKEN_KEY not in (secret.get("data") or {}):
            return
        meta = secret["metadata"]
        place = (meta["namespace"], meta["name"])
        self._remember(place, Management(_shown(secret), _token(secret)))

    def _remember(self, place: tuple[str, str], found: Management) -> Management:
        self._known.pop(place, None)
        while len(self._known) >= _REMEMBER_MOST:
            del self._known[next(iter(self._known))]
        self._known[place] = (self._clock(), found)
        return found


def _is_of(secret: Manifested, detector: FraudDetector) -> bool:
    """What somebody else put there is not for our pods."""
    owners = secret["metadata"].get("ownerReferences") or ()
    return any(one.get("controller") and one["uid"] == detector.uid for one in owners)


def _shown(secret: Manifested) -> Manifested:
    meta: dict[str, Any] = secret["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {key: value for key, value in meta.items() if key in _SHOWN},
    }


def _token(secret: Manifested) -> str:
    try:
        token = base64.b64decode((secret.get("data") or {}).get(TOKEN_KEY, "")).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    token = token.strip()
    return token if len(token) >= _SHORTEST and token.isprintable() else ""
