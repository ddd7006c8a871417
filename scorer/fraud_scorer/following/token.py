"""What proves on the management port that a caller may ask about models.

The token is a file of a mounted Secret, read for each request: a rotation restarts nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from fraud_scorer.problem import FORBIDDEN, NOT_READY, UNAUTHORIZED, Problem

_FILE = "token"
_SCHEME = b"bearer"
_CHALLENGE = ((b"www-authenticate", b"Bearer"), (b"connection", b"close"))
_CLOSE = ((b"connection", b"close"),)


class Token:
    """The token in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE

    def read(self) -> bytes:
        """The token as it is now. Raises OSError where there is none."""
        token = self._file.read_bytes().strip()
        if not token:
            raise OSError(f"{self._file} is empty")
        return token

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise the Problem of a caller who does not show it."""
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != _SCHEME or not given:
            raise Problem(
                UNAUTHORIZED, "Send Authorization: Bearer and the token", headers=_CHALLENGE
            )
        try:
            token = self.read()
        except OSError:
            raise Problem(
                NOT_READY,
                f"There is no token in this pod: is the Secret mounted, with the key {_FILE}?",
                headers=_CLOSE,
            ) from None
        if not hmac.compare_digest(given.strip(), token):
            raise Problem(FORBIDDEN, "This is not the token of this detector", headers=_CLOSE)
