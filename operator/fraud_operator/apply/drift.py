"""What of a child somebody took over, or removed: found by who owns its fields.

Most looks find nothing, and walking a manifest beside its managedFields costs more than anything
else of them: that nothing was found is remembered, of that manifest and of those owned fields.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from fraud_operator.apply import fields
from fraud_operator.observe.store import Key
from fraud_operator.plan.types import Manifested
from fraud_operator.runtime.kube import FIELD_MANAGER

log = logging.getLogger(__name__)


class Drift:
    """Knows what was found of each child."""

    def __init__(self) -> None:
        self._none: dict[Key, dict[str, int]] = {}
        """Per detector: a hash of what nothing was found in, by the child's uid."""
        self._never_owned: dict[str, frozenset[fields.Path]] = {}

    def of(
        self, key: Key, live: Manifested, manifest: Manifested, digest: str
    ) -> list[fields.Path]:
        """The parts of `manifest`, whose digest is given, that are not ours in `live`."""
        owned, uid = _owned(live), live["metadata"]["uid"]
        looked_at = hash((digest, msgspec.json.encode(owned)))
        known = self._none.setdefault(key, {})
        if known.get(uid) == looked_at:
            return []
        never = self._never_owned.get(uid, frozenset())
        found = [path for path in fields.unowned(owned, manifest) if path not in never]
        if not found:
            known[uid] = looked_at
        return found

    def wrote(self, made: Manifested, manifest: Manifested) -> None:
        """`made` is what applying `manifest` gave. Whatever the server never credits to us cannot
        tell us of a change; without this it would be put back for ever."""
        uid, missing = made["metadata"]["uid"], fields.unowned(_owned(made), manifest)
        if missing:
            said = fields.listed(missing)
            log.warning("the API server does not track %s of %s", said, made["kind"])
            self._never_owned[uid] = frozenset(missing)
        else:
            self._never_owned.pop(uid, None)

    def forget(self, key: Key) -> None:
        """The detector is gone."""
        for uid in self._none.pop(key, {}):
            self._never_owned.pop(uid, None)


def _owned(live: Manifested) -> dict[str, Any]:
    return dict(fields.applied_by(live, FIELD_MANAGER) or {})
