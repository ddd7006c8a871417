"""What one request may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a single transaction, and of a request that holds several."""

    body_bytes: int = 256 * 1024
    body_seconds: float = 10.0
    batch_bytes: int = 2 * 1024 * 1024
    batch_items: int = 4096
