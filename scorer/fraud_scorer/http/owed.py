"""An answer of the hot route that is pending, as uvicorn sees it: a cycle that is not complete.

So whatever comes behind it waits in uvicorn's own queue, and a connection that is lost meanwhile
says so here.
"""

from __future__ import annotations


class _Nobody:
    """There is no handler to be woken."""

    def set(self) -> None: ...


class Owed:
    """In the place of uvicorn's RequestResponseCycle."""

    __slots__ = ("disconnected", "keep_alive", "response_complete")

    response_started = False
    message_event = _Nobody()

    def __init__(self) -> None:
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    def pay(self) -> bool:
        """It is no longer pending; whether the client has gone meanwhile."""
        self.response_complete = True
        return self.disconnected
