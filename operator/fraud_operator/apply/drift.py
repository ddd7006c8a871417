"""What of a child somebody took over, or removed: found by who owns its fields.

Most looks find nothing, and walking a manifest beside its managedFields costs more than anything
else of them: that nothing was found is remembered, of that manifest and of those owned fields.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import msgspec

from fraud_operator.apply import fields
from fraud_operator.observe.store import Key
from fraud_operator.plan.types import ChildKey, Manifested
from fraud_operator.runtime.kube import FIELD_MANAGER

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    """What is known of a child, as long as it is that very object."""

    uid: str
    never_owned: frozenset[fields.Path] = frozenset()
    clean: int | None = None
    """A hash of what nothing was found in."""


class Drift:
    """Knows what was found of each child."""

    def __init__(self) -> None:
        self._known: dict[Key, dict[ChildKey, _Known]] = {}

    def of(
        self, key: Key, live: Manifested, manifest: Manifested, digest: str
    ) -> list[fields.Path]:
        """The parts of `manifest`, whose digest is given, that are not ours in `live`."""
        owned, known = _owned(live), self._of(key, live)
        looked_at = hash((digest, msgspec.json.encode(owned)))
        if known.clean == looked_at:
            return []
        found = [path for path in fields.unowned(owned, manifest) if path not in known.never_owned]
        if not found:
            known.clean = looked_at
        return found

    def wrote(self, key: Key, made: Manifested, manifest: Manifested) -> None:
        """`made` is what applying `manifest` gave. Whatever the server never credits to us cannot
        tell us of a change; without this it would be put back for ever."""
        known, missing = self._of(key, made), fields.unowned(_owned(made), manifest)
        if missing:
            said = fields.listed(missing)
            log.warning("the API server does not track %s of %s", said, made["kind"])
        known.never_owned, known.clean = frozenset(missing), None

    def forget(self, key: Key) -> None:
        """The detector is gone."""
        self._known.pop(key, None)

    def _of(self, key: Key, obj: Manifested) -> _Known:
        children, uid = self._known.setdefault(key, {}), obj["metadata"]["uid"]
        child = (obj["kind"], obj["metadata"]["name"])
        known = children.get(child)
        if known is None or known.uid != uid:
            known = children[child] = _Known(uid)
        return known


def _owned(live: Manifested) -> dict[str, Any]:
    return dict(fields.applied_by(live, FIELD_MANAGER) or {})
