"""Which transactions a candidate answers: those whose ids fall into its share.

A digest of the id decides, and of nothing else that differs between pods: the same transaction is
answered by the same revision everywhere, and who was in a smaller share is in any larger one.
"""

from __future__ import annotations

import hashlib

from fraud_scorer.artifact.plan import WHOLE


class Share:
    """So many of ten thousand transactions."""

    __slots__ = ("_begun", "_size")

    def __init__(self, detector: str, revision: str, size: int) -> None:
        self._begun = hashlib.sha256(f"{detector}\0{revision}\0".encode())
        self._size = size

    def has(self, transaction_id: str) -> bool:
        """Whether that transaction is in it."""
        digest = self._begun.copy()
        digest.update(transaction_id.encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest()[:8], "big") % WHOLE < self._size
