"""A small share of would-be declines that is approved on purpose.

What is declined never shows whether it was fraud, so nobody would learn what a threshold costs, or
misses. Approving a known share at random, and recording that share (the propensity), makes recall
measurable. Whether a transaction is in it is a keyed digest of its id: the same on every pod and at
every repetition, and nobody without the key can choose ids that are.
"""

from __future__ import annotations

import hmac
from decimal import Decimal, InvalidOperation

MOST_SHARE = Decimal("0.05")
"""More than that is no longer measuring."""
LEAST_KEY = 32
"""Bytes."""

_SPACE = 1 << 64
_PURPOSE = b"fraudops random approval\0"
"""Keeps these draws apart from anything else that the key may be used for."""


class RandomApprovals:
    """The draw of one detector."""

    __slots__ = ("_below", "_key", "_most_minor", "propensity")

    def __init__(self, key: bytes, share: str, most_minor: int) -> None:
        """`share` is a decimal string; nothing above `most_minor` (the currency's minor unit) takes
        part. Raises ValueError."""
        try:
            wanted = Decimal(share)
        except InvalidOperation:
            wanted = Decimal("NaN")
        if not wanted.is_finite():
            raise ValueError(f"{share!r} is no decimal share, such as 0.01")
        if not 0 < wanted <= MOST_SHARE:
            raise ValueError(f"a share of {share} is not above 0 and at most {MOST_SHARE}")
        if len(key) < LEAST_KEY:
            raise ValueError(
                f"the key of random approvals has {len(key)} bytes: give one of at least"
                f" {LEAST_KEY}, such as `head -c 32 /dev/urandom` makes"
            )
        if most_minor < 0:
            raise ValueError(f"an amount of {most_minor} is negative: nothing could be approved")
        self._key = key
        self._most_minor = most_minor
        self._below = int(wanted * _SPACE)
        self.propensity = float(wanted)
        """The share of what takes part that is approved."""

    def takes_part(self, amount_minor: int) -> bool:
        """Whether a would-be decline of that amount may be approved at all."""
        return amount_minor <= self._most_minor

    def draw(self, transaction_id: str) -> bool:
        """Whether that transaction is in the share."""
        told = _PURPOSE + transaction_id.encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, told, "sha256")
        return int.from_bytes(digest[:8], "big") < self._below
