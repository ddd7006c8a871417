"""What the API server was asked, when and by whom, read from its audit log after the fact.

Times come from here and not from watching: an observer would take its share of the very cores that
are measured. Timestamps are the API server's, in microseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class _User(msgspec.Struct):
    username: str = ""


class _Reference(msgspec.Struct):
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class _Response(msgspec.Struct):
    code: int = 0


class Request(msgspec.Struct, rename="camel"):
    """One request, as much of it as is counted."""

    verb: str
    stage: str
    request_received_timestamp: datetime
    stage_timestamp: datetime
    user: _User = msgspec.field(default_factory=_User)
    object_ref: _Reference = msgspec.field(default_factory=_Reference)
    response_status: _Response = msgspec.field(default_factory=_Response)

    @property
    def resource(self) -> str:
        """With its subresource: `frauddetectors/status`."""
        of = self.object_ref
        return f"{of.resource}/{of.subresource}" if of.subresource else of.resource

    @property
    def received(self) -> datetime:
        """When it arrived."""
        return self.request_received_timestamp

    @property
    def answered(self) -> datetime:
        """When the answer was complete."""
        return self.stage_timestamp

    @property
    def writes(self) -> bool:
        """Whether it succeeded in changing something."""
        return self.verb in WRITES and self.response_status.code < 300

    @property
    def created(self) -> bool:
        """Whether it made an object, by apply or otherwise."""
        return self.verb in ("create", "patch") and self.response_status.code == 201


class Requests:
    """The audit log from a mark on."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._decoder = msgspec.json.Decoder(Request)
        self._mark = 0
        self.mark()

    def mark(self) -> None:
        """Begin anew, from now."""
        self._mark = self._log.stat().st_size if self._log.exists() else 0

    def since_mark(
        self, user: str = "", where: Callable[[Request], bool] = lambda _: True
    ) -> list[Request]:
        """The finished requests of that user (none: of all), but for its watches."""
        needle = f'"username":"{user}"'.encode() if user else b""
        return [
            one
            for one in self._decoded(needle)
            if one.stage == "ResponseComplete"
            and one.verb != "watch"
            and (not user or one.user.username == user)
            and where(one)
        ]

    def _decoded(self, needle: bytes) -> Iterator[Request]:
        with self._log.open("rb") as log:
            log.seek(self._mark)
            for line in log:
                # The last line may be half written.
                if line.endswith(b"\n") and needle in line:
                    yield self._decoder.decode(line)


def counted(requests: Iterable[Request]) -> dict[str, int]:
    """How often each verb and resource, the most frequent first."""
    counts = Counter(f"{one.verb} {one.resource}" for one in requests)
    return dict(counts.most_common())


def last_answer(requests: Iterable[Request]) -> datetime:
    """When the last of them was answered. Raises ValueError where there is none."""
    return max(one.answered for one in requests)
