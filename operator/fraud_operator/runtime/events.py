"""Kubernetes Events on an object: recorded once, never counted up, never in the way.

An Event says that something changed, so callers record transitions only. The name is made of what
the Event says and when, so that a repeated request leaves one Event. A failure to record is logged
and forgotten: an operator that stops because it cannot talk about its work helps nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, Protocol

from fraud_operator.runtime.kube import ApiError, Conflict, Kube

log = logging.getLogger(__name__)

_MESSAGE_LIMIT = 1024


class Recordable(Protocol):
    """What an Event says: `plan.types.Event`, for one."""

    @property
    def type(self) -> Literal["Normal", "Warning"]:
        """Normal or Warning."""
        ...

    @property
    def reason(self) -> str:
        """CamelCase."""
        ...

    @property
    def message(self) -> str:
        """For people."""
        ...

    @property
    def action(self) -> str:
        """What was being done, CamelCase."""
        ...


class Recorder:
    """Records Events in the name of one process of the operator."""

    def __init__(
        self,
        kube: Kube,
        instance: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube = kube
        self._instance = instance
        self._now = now

    async def record(self, about: Mapping[str, Any], event: Recordable) -> None:
        """Record `event` on the object `about`. Raises nothing but WritesForbidden."""
        meta = about["metadata"]
        now = self._now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        message = event.message
        if len(message) > _MESSAGE_LIMIT:
            message = message[: _MESSAGE_LIMIT - 1] + "…"
        identity = "\0".join((meta["uid"], event.type, event.reason, message, now))
        seconds = now[:19] + "Z"
        manifest = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{meta['name']}.{sha256(identity.encode()).hexdigest()[:16]}",
                "namespace": meta["namespace"],
            },
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "resourceVersion": meta.get("resourceVersion", ""),
            },
            "type": event.type,
            "reason": event.reason,
            "message": message,
            "action": event.action,
            "source": {"component": "fraud-operator"},
            "reportingComponent": "fraud-operator",
            "reportingInstance": self._instance,
            "firstTimestamp": seconds,
            "lastTimestamp": seconds,
            "eventTime": now,
            "count": 1,
        }
        try:
            await self._kube.create(manifest)
        except Conflict:
            return
        except ApiError as error:
            log.warning("could not record the Event %s: %s", event.reason, error)
