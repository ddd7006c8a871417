"""Every answer into the data file, before it is sent: the entry that a chain would hold, and what
is personal of it. There is no chain here, so nobody could tell a row that was changed."""

from __future__ import annotations

import msgspec

from fraud_scorer.embedded.data import DataFile
from fraud_scorer.features.events import microseconds
from fraud_scorer.ledger import entries
from fraud_scorer.ledger.entries import Answered, Personal, Shadowed
from fraud_scorer.ledger.writer import Receipt

_INSERT = (
    "INSERT INTO answers (transaction_id, user_id, event_time, body, personal)"
    " VALUES (?, ?, ?, ?, ?)"
)
_encode = msgspec.json.Encoder().encode


class EmbeddedRecorder:
    """Of one data file. `subject` is the kind of entity that a person is."""

    def __init__(self, data: DataFile, subject: str) -> None:
        self._data, self._subject = data, subject

    @property
    def blocked(self) -> str:
        """Why the file takes none at present; empty where it does."""
        return self._data.failure

    def record(self, entry: Answered | Shadowed, personal: Personal | None = None) -> Receipt:
        """Have an answer written: it is once the receipt's wait is over. Raises SpoolFull."""
        if personal is None:
            raise ValueError("a shadow takes part where a plan is followed, and there is none here")
        written = self._data.write(
            _INSERT,
            entry.transaction_id,
            personal.entities.get(self._subject),
            microseconds(personal.event_time),
            entries.encode(entry).decode(),
            _encode(personal).decode(),
            awaited=True,
        )
        return Receipt(wait=written)
