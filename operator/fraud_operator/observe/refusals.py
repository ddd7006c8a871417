"""What scorer pods said about an artifact when they ended: their termination messages.

Only an explicit verdict counts: exit code 3 and a message that names the digest. A pod that was
evicted, ran out of memory or crashed says nothing about the artifact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from fraud_operator.plan.types import Refusal

EXIT_CODE = 3


class _Verdict(msgspec.Struct):
    reason: str
    version: str
    digest: str
    file: str = ""
    expected: str = ""
    actual: str = ""
    message: str = ""


def refusals(pods: Iterable[Mapping[str, Any]]) -> list[Refusal]:
    """The verdicts of these pods, one for each digest and reason, in the order of the pods."""
    found: dict[tuple[str, str], Refusal] = {}
    for pod in pods:
        for text in _last_words(pod):
            try:
                verdict = msgspec.json.decode(text, type=_Verdict)
            except msgspec.DecodeError:
                continue
            if not verdict.digest or not verdict.reason:
                continue
            found.setdefault(
                (verdict.digest, verdict.reason),
                Refusal(
                    version=verdict.version,
                    digest=verdict.digest,
                    reason=verdict.reason,
                    file=verdict.file,
                    expected=verdict.expected,
                    actual=verdict.actual,
                    message=verdict.message,
                    pod=pod["metadata"]["name"],
                ),
            )
    return list(found.values())


def _last_words(pod: Mapping[str, Any]) -> Iterator[str]:
    for container in pod.get("status", {}).get("containerStatuses") or ():
        for state in ("state", "lastState"):
            ended = (container.get(state) or {}).get("terminated") or {}
            if ended.get("exitCode") == EXIT_CODE and ended.get("message"):
                yield ended["message"]
