"""A verdict on an artifact: it must not be served, whatever else happens.

A pod that follows a plan reports it, and goes on; where one folder is served the verdict leaves the
process as exit code 3 and a termination message. Trouble with the store is never a verdict.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from fraud_scorer.artifact.plan import PlannedModel
from fraud_scorer.artifact.verdict import cut
from fraud_scorer.registry.loaded import LoadedModel

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


class KeptFeaturesMissing(Exception):
    """A model needs features that are kept of entities, and this service keeps none. It says
    nothing against the model."""

    def __init__(self, model: LoadedModel) -> None:
        name = next(one.name for one in model.manifest.features if one.source != "request")
        super().__init__(
            f"version {model.version} needs features that are kept of entities ({name}), and this"
            " service keeps none: give `spec.redis` (on the command line --redis, or for a laptop"
            " --data FILE), or another version, whose features all come in the request"
        )


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
    short = msgspec.structs.replace(
        verdict,
        version=cut(verdict.version, _LONGEST_VALUE),
        digest=cut(verdict.digest, _LONGEST_VALUE),
        file=cut(verdict.file, _LONGEST_VALUE),
        expected=cut(verdict.expected, _LONGEST_VALUE),
        actual=cut(verdict.actual, _LONGEST_VALUE),
        message=cut(verdict.message, _LONGEST_MESSAGE),
    )
    return msgspec.json.encode(short)
