"""A transaction that waits: for what stores know of it, and for its record to be on the disk.

    begin --> [features] --> score, decide, record --> (on the disk) --> answer

All that is asked is asked in the turn of the event loop in which the transaction came, together
with what others ask in that turn.
"""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Callable

import msgspec

from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest
from fraud_scorer.pipeline.features import Known
from fraud_scorer.pipeline.pending import Pending
from fraud_scorer.pipeline.record import NotRecorded
from fraud_scorer.pipeline.stages import Stages

Score = Callable[[Context, ScoreRequest, Known, str], ScoreAnswer]
"""The stages that wait for nothing. Raises Problem."""

_encode = msgspec.json.Encoder().encode
_NOTHING: Known = {}


class Asking(Pending[bytes]):
    """One transaction. Its outcome is the answer as JSON."""

    __slots__ = (
        "_context", "_known", "_left", "_request", "_score", "_stages", "_version", "answer"
    )  # fmt: skip

    def __init__(
        self, stages: Stages, score: Score, context: Context, request: ScoreRequest, version: str
    ) -> None:
        super().__init__()
        self.answer: ScoreAnswer | None = None
        """The outcome as what it is, where it was made here."""
        self._stages, self._score = stages, score
        self._context, self._request, self._version = context, request, version
        self._known = _NOTHING
        self._left = 1

    def begin(self, *, needs_kept: bool) -> None:
        """Ask all that is to be asked."""
        self._context.asked = time.monotonic()
        kept = self._stages.kept
        if needs_kept and kept is not None:
            self._left += 1
            kept.ask(self._request, self._told)
        self._one_less()

    def _told(self, known: Known) -> None:
        self._known = known
        self._one_less()

    def _one_less(self) -> None:
        """Go on once all is known."""
        self._left -= 1
        if self._left or self.resolved:
            return
        try:
            answer = self._score(self._context, self._request, self._known, self._version)
        except Exception as error:
            self.resolve(error)
            return
        if (recorded := self._context.recorded) is None:
            self._finish(answer)
        else:
            recorded.add_done_callback(lambda done: self._recorded(done, answer))

    def _recorded(self, done: Future[None], answer: ScoreAnswer) -> None:
        error = done.exception()
        records = self._stages.records
        if error is None or records is None:
            self._finish(answer)
        elif records.blocks:
            self.resolve(NotRecorded(str(error)))
        else:
            self._finish(records.missed(answer))

    def _finish(self, answer: ScoreAnswer) -> None:
        self.answer = answer
        self.resolve(_encode(answer))
