"""Reading the API server's audit log: who did what, and what came of it.

The log leaves out reads, leases and events of the cluster's own parts (AUDIT_POLICY in
control_plane); of everybody else it has every request, without bodies. A request is in the log by
the time its answer is complete, which may be a moment after the client has read it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Entry:
    """One request. `resource` holds the subresource: "deployments", "frauddetectors/status"."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    uri: str
    user_agent: str
    stage: str
    received: datetime
    answered: datetime
    """Both by the API server's clock."""

    @property
    def writes(self) -> bool:
        """Whether the verb changes something."""
        return self.verb in WRITES

    @property
    def refused(self) -> bool:
        """Whether the user was not allowed to do it."""
        return self.code == 403


class AuditLog:
    """The audit log of a cluster, from a mark on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = 0
        self.mark()

    def mark(self) -> None:
        """Forget what happened until now."""
        self._mark = self._path.stat().st_size if self._path.exists() else 0

    def entries(self, user: str | None = None) -> list[Entry]:
        """What happened since the mark, in order; of one user, or of all."""
        with self._path.open("rb") as log:
            log.seek(self._mark)
            # The last line may be half written.
            lines = log.read().split(b"\n")[:-1]
        parsed = (_entry(json.loads(line)) for line in lines)
        return [entry for entry in parsed if user is None or entry.user == user]

    def writes(self, user: str | None = None) -> list[Entry]:
        """The entries that change something."""
        return [entry for entry in self.entries(user) if entry.writes]

    def by_user(self) -> dict[str, list[Entry]]:
        """The entries since the mark, by who sent the request."""
        grouped: dict[str, list[Entry]] = {}
        for entry in self.entries():
            grouped.setdefault(entry.user, []).append(entry)
        return grouped

    def wait_for(self, wanted: Callable[[Entry], bool], seconds: float = 30.0) -> Entry:
        """The first entry since the mark that is wanted. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            for entry in self.entries():
                if wanted(entry):
                    return entry
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing of the kind in {self._path} within {seconds:.0f} s")
            time.sleep(0.1)


def _entry(event: dict[str, Any]) -> Entry:
    target = event.get("objectRef", {})
    subresource = target.get("subresource")
    resource = target.get("resource", "")
    return Entry(
        user=event.get("impersonatedUser", event["user"]).get("username", ""),
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=f"{resource}/{subresource}" if subresource else resource,
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        uri=event["requestURI"],
        user_agent=event.get("userAgent", ""),
        stage=event["stage"],
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        answered=datetime.fromisoformat(event["stageTimestamp"]),
    )
