"""Getting a revision's files, however long it takes, and what is known of it meanwhile.

A store that is away is asked again; a verdict is final for as long as the plan stays the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from fraud_scorer.artifact.plan import PlannedModel
from fraud_scorer.artifact.store import Unavailable
from fraud_scorer.following.threads import in_thread
from fraud_scorer.registry.loader import FIRST_PAUSE, LONGEST_PAUSE
from fraud_scorer.registry.refusal import Refused, Verdict

_log = logging.getLogger(__name__)


class Pursuit:
    """One revision of the plan. Used from the event loop's thread only."""

    def __init__(
        self,
        model: PlannedModel,
        fetch: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        """`fetch` blocks; it raises Refused, Unavailable, OSError. `changed` is called whenever
        something else is known."""
        self.model = model
        self.have = False
        """Whether the files are there, as far as is known."""
        self.verdict: Verdict | None = None
        self.final = False
        """Whether the verdict is on what the bytes do, and not on where they are."""
        self.trouble: tuple[str, str] | None = None
        """Reason and message, while the files cannot be had."""
        self.attempt = 0
        """Which try this is for processes that could not use the files."""
        self._fetch = fetch
        self._changed = changed
        self._pause = FIRST_PAUSE
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Go and get the files, unless somebody has gone or nothing helps."""
        if self._task is None and not self.have and self.verdict is None:
            self._task = asyncio.create_task(self._go())

    def stop(self) -> None:
        """They are not wanted any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def again(self) -> None:
        """Another plan wants them: what could not be found then may be there now."""
        if self.verdict is not None and not self.final:
            self.verdict = None
        self.begin()

    def refused(self, verdict: Verdict) -> None:
        """A process that opened them has proven them unfit."""
        self.verdict, self.final = verdict, True

    def failed(self, message: str) -> None:
        """A process could not use the files; they are looked at again, after a while."""
        self.have = False
        self.attempt += 1
        self.trouble = ("LoadTrouble", message)
        if self._task is None:
            self._task = asyncio.create_task(self._go(at_once=False))

    async def _go(self, *, at_once: bool = True) -> None:
        try:
            if not at_once:
                await self._wait()
            while not await self._try():
                await self._wait()
        finally:
            self._task = None
        self._changed()

    async def _try(self) -> bool:
        """Whether there is nothing left to do."""
        try:
            await in_thread(self._fetch)
        except Refused as refused:
            _log.error("refused", extra={"verdict": refused.verdict})
            self.verdict = refused.verdict
            return True
        except Unavailable as error:
            self._missed(error.reason, str(error))
        except OSError as error:
            self._missed("StorageTrouble", f"{error.filename or 'the files'}: {error.strerror}")
        except Exception as error:
            _log.exception("version %s cannot be fetched", self.model.version)
            self._missed("InternalError", repr(error))
        else:
            self.have, self.trouble = True, None
            return True
        return False

    def _missed(self, reason: str, message: str) -> None:
        _log.warning("%s: %s; trying again in about %.1f s", reason, message, self._pause)
        self.trouble = (reason, message)
        self._changed()

    async def _wait(self) -> None:
        wait = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 -- spreads pods, only
        await asyncio.sleep(wait)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
