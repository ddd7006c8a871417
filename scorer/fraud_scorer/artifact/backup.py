"""What a backup of a detector's models says at its end, in the termination message of its pod."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.manifest import Strict
from fraud_scorer.artifact.verdict import cut

MOST_NAMED = 20
"""Digests that a report names, of each kind."""

_LONGEST_MESSAGE = 800

Count = Annotated[int, Meta(ge=0)]


class BackupReport(Strict, frozen=True):
    """One run. `Incomplete`: something that is needed is not whole, or not in the backup."""

    outcome: Literal["Done", "Incomplete"]
    action: Literal["Mirror", "Heal"]
    reason: str = ""
    """CamelCase, of an incomplete one."""
    message: str = ""
    versions: Count = 0
    """In the backup now."""
    bytes: Count = 0
    """Of their models, in the backup now."""
    copied: Count = 0
    """Versions that were not in it before."""
    verified: Count = 0
    """Files that were read back and have the digest that they are named by."""
    removed: Count = 0
    """Versions whose retention was over."""
    restored: tuple[str, ...] = ()
    """Digests of what was damaged or missing, and is whole again."""
    lost: tuple[str, ...] = ()
    """Digests of what is needed and whole nowhere."""


def encode(report: BackupReport) -> bytes:
    """The report as it fits into a termination message."""
    return canonical_json(
        msgspec.structs.replace(
            report,
            message=cut(report.message, _LONGEST_MESSAGE),
            restored=report.restored[:MOST_NAMED],
            lost=report.lost[:MOST_NAMED],
        )
    )


def decode(data: str | bytes) -> BackupReport:
    """The report in a termination message. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(data, type=BackupReport)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a report of a backup: {error}") from None
