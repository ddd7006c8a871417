"""Ids of predictions: unlike any other's, and cheap, as every answer takes one.

A random part for the process (74 bits) and a count, in the form of a UUID of version 8, which
leaves the bits to whoever makes it. An id is no secret.
"""

from __future__ import annotations

import os
from itertools import count
from secrets import randbits


class Ids:
    """The ids of one process."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, as another process would: what is forked must not go on as its parent."""
        head, middle = f"{randbits(48):012x}", f"{randbits(12):03x}"
        tail = f"{0x8000 | randbits(14):04x}"
        self._form = f"{head[:8]}-{head[8:]}-8{middle}-{tail}-%012x"
        self._count = count()

    def next(self) -> str:
        """One that nobody had before."""
        return self._form % next(self._count)


_ids = Ids()
os.register_at_fork(after_in_child=_ids.renew)

new_id = _ids.next
