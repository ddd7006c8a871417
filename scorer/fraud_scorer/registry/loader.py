"""Loading with patience: a store that is away is asked again, a verdict on the bytes is final."""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from fraud_scorer.artifact.store import Unavailable
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.source import Source

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

_log = logging.getLogger(__name__)


async def load_patiently(
    source: Source,
    *,
    workspace: Path | None,
    waiting: Callable[[str, str], None],
    first_pause: float = FIRST_PAUSE,
) -> LoadedModel:
    """The proven model, however long its store is away. Raises Refused.

    `waiting` is told reason and message of each failure. Bytes pass through a folder of their own
    below `workspace` (default: the system's folder for temporary files), removed afterwards.
    """
    pause = first_pause
    while True:
        try:
            return await asyncio.to_thread(_load, source, workspace)
        except Unavailable as error:
            wait = pause * random.uniform(0.8, 1.2)  # noqa: S311 -- spreads pods, keeps no secret
            _log.warning("%s: %s; trying again in %.1f s", error.reason, error, wait)
            waiting(error.reason, str(error))
        await asyncio.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)


def _load(source: Source, workspace: Path | None) -> LoadedModel:
    with tempfile.TemporaryDirectory(prefix="fraud-scorer-", dir=workspace) as folder:
        return source.load(Path(folder))
