"""A transaction that waits: for what stores know of it, and for its record to be on the disk.

    begin --> [claim | features] --> score, decide, record --> (on the disk) --> answer, settle

All that is asked is asked in the turn of the event loop in which the transaction came, together
with what others ask in that turn. A transaction that was answered before gets that answer again, to
the byte; one that is refused gives its claim back, so that it may be sent anew.
"""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Callable

import msgspec

from fraud_scorer.decisions.claims import NEW, OTHER, SAME, Claim
from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest
from fraud_scorer.pipeline.features import Known
from fraud_scorer.pipeline.fingerprint import fingerprint
from fraud_scorer.pipeline.pending import Pending
from fraud_scorer.pipeline.record import WITHOUT_CLAIM, NotRecorded
from fraud_scorer.pipeline.stages import Stages
from fraud_scorer.problem import OTHER_TRANSACTION, Problem

Score = Callable[[Context, ScoreRequest, Known, str], ScoreAnswer]
"""The stages that wait for nothing. Raises Problem."""

_encode = msgspec.json.Encoder().encode
_NOTHING: Known = {}


class Asking(Pending[bytes]):
    """One transaction. Its outcome is the answer as JSON."""

    __slots__ = (
        "_claim", "_context", "_known", "_left", "_request", "_score", "_stages", "_version"
    )  # fmt: skip

    def __init__(
        self, stages: Stages, score: Score, context: Context, request: ScoreRequest, version: str
    ) -> None:
        super().__init__()
        self._stages, self._score = stages, score
        self._context, self._request, self._version = context, request, version
        self._known = _NOTHING
        self._claim: Claim | None = None
        self._left = 1
        """What is waited for before there is an answer."""

    def begin(self, *, needs_kept: bool) -> None:
        """Ask all that is to be asked."""
        stages, request = self._stages, self._request
        self._context.asked = time.monotonic()
        claims, kept = stages.claims, stages.kept if needs_kept else None
        if claims is not None or kept is not None:
            mark = fingerprint(request, undated=self._context.undated)
        if claims is not None:
            self._left += 1
            claims.claim(request.transaction_id, mark, self._claimed)
        if kept is not None:
            self._left += 1
            kept.ask(request, mark, self._learned)
        self._left -= 1
        if not self._left:
            self._go_on()

    def _claimed(self, claim: Claim) -> None:
        outcome = claim.outcome
        if outcome is SAME:
            self.resolve(claim.answer)
        elif outcome is OTHER:
            self.resolve(
                Problem(
                    OTHER_TRANSACTION,
                    f"{self._request.transaction_id} was another transaction before: give this one"
                    " an id of its own, or send what was sent then",
                )
            )
        else:
            if outcome is not NEW:
                self._context.degraded.append(WITHOUT_CLAIM)
            self._claim = claim
            self._left -= 1
            if not self._left:
                self._go_on()

    def _learned(self, known: Known) -> None:
        self._known = known
        self._left -= 1
        if not self._left:
            self._go_on()

    def _go_on(self) -> None:
        """All is known, and nobody has answered it before."""
        try:
            answer = self._score(self._context, self._request, self._known, self._version)
        except Exception as error:
            self._refuse(error)
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
            self._refuse(NotRecorded(str(error)))
        else:
            self._finish(records.missed(answer))

    def _finish(self, answer: ScoreAnswer) -> None:
        document = _encode(answer)
        claim, claims = self._claim, self._stages.claims
        if claim is not None and claims is not None:
            self._claim = None  # it holds us: a circle is freed late
            claims.settle(claim, document)
        self.resolve(document)

    def _refuse(self, error: Exception) -> None:
        claim, self._claim = self._claim, None
        if claim is not None and self._stages.claims is not None:
            self._stages.claims.release(claim)
        self.resolve(error)
