"""What a person asked for with `kubectl fraud`: the annotation `fraudops.io/request`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from fraud_operator.plan.types import Request

log = logging.getLogger(__name__)

REQUEST_ANNOTATION = "fraudops.io/request"
_LONGEST = 4096


class _Written(msgspec.Struct):
    id: str
    action: Literal["rollback", "promote", "abort", "release", "sync"]
    version: str = ""
    reason: str = ""
    by: str = ""


def request_of(detector: Mapping[str, Any]) -> Request | None:
    """The last request; None where there is none, or it was written by hand and cannot be read."""
    text = (detector["metadata"].get("annotations") or {}).get(REQUEST_ANNOTATION)
    if not text or len(text) > _LONGEST:
        return None
    try:
        found = msgspec.json.decode(text, type=_Written)
    except msgspec.DecodeError as error:
        log.warning("the annotation %s cannot be read: %s", REQUEST_ANNOTATION, error)
        return None
    return (
        Request(found.id, found.action, found.version, found.reason, found.by) if found.id else None
    )
