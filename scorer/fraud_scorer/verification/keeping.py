"""Reports, into the store that pods fetch from."""

from __future__ import annotations

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.store import Store


def keep_report(store: Store, key: str, data: bytes, page: bytes) -> str:
    """Keep a report under the proof's key; the path of the page. Raises StoreError."""
    store.write(layout.proof(key), data)
    store.write(layout.proof_page(key), page)
    return layout.proof_page(key)
