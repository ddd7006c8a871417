"""A verdict on an artifact: it must not be served, whatever else happens.

The verdict leaves the process as exit code 3 and a termination message, which the operator reads
from the pod's status. Trouble with the store is never a verdict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from fraud_scorer.artifact.plan import PlannedModel

EXIT_CODE = 3
MAX_BYTES = 4095
"""The kubelet keeps less than 4,096 bytes."""

_LONGEST_VALUE = 200
_LONGEST_MESSAGE = 1500

Reason = Literal[
    "DigestMismatch",
    "ManifestInvalid",
    "FileMissing",
    "LoadFailed",
    "GoldenMismatch",
    "FormatMismatch",
]


class Verdict(Struct, frozen=True, kw_only=True):
    """What the termination message says. `expected` and `actual` are comparable, and may be ''."""

    reason: Reason
    version: str
    digest: str
    file: str
    expected: str = ""
    actual: str = ""
    message: str


class Refused(Exception):
    """Raised where an artifact turns out to be unfit."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.reason}: {verdict.message}")
        self.verdict = verdict


def refused(
    wanted: PlannedModel,
    reason: Reason,
    file: str,
    message: str,
    *,
    expected: str = "",
    actual: str = "",
) -> Refused:
    """The verdict on a version that a plan wants, to be raised."""
    return Refused(
        Verdict(
            reason=reason,
            version=wanted.version,
            digest=wanted.digest,
            file=file,
            expected=expected,
            actual=actual,
            message=message,
        )
    )


def termination_message(verdict: Verdict) -> bytes:
    """The verdict as JSON of less than 4,096 bytes, long texts cut in the middle."""
    cut = msgspec.structs.replace(
        verdict,
        version=_cut(verdict.version, _LONGEST_VALUE),
        digest=_cut(verdict.digest, _LONGEST_VALUE),
        file=_cut(verdict.file, _LONGEST_VALUE),
        expected=_cut(verdict.expected, _LONGEST_VALUE),
        actual=_cut(verdict.actual, _LONGEST_VALUE),
        message=_cut(verdict.message, _LONGEST_MESSAGE),
    )
    return msgspec.json.encode(cut)


def write_termination_message(verdict: Verdict, path: Path) -> None:
    """Leave the verdict where the kubelet picks it up."""
    path.write_bytes(termination_message(verdict))


def _cut(text: str, most: int) -> str:
    """Plain ASCII of at most `most` characters, so that the size in bytes is known."""
    plain = text.encode("ascii", "replace").decode()
    plain = "".join(c if c.isprintable() and c not in '"\\' else "'" for c in plain)
    if len(plain) <= most:
        return plain
    half = (most - 5) // 2
    return f"{plain[:half]} ... {plain[-half:]}"
