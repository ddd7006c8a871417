"""How verification says no to a version, and how it says that it cannot tell."""

from __future__ import annotations

from typing import Any

from fraud_scorer.artifact.manifest import ManifestError
from fraud_scorer.artifact.store import DigestMismatch, FileMissing, StoreError, TooLarge
from fraud_scorer.artifact.verdict import VerificationReason

PUBLISH_AGAIN = "publish the model again under a new version"


class Refusal(Exception):
    """The version must not be served. The fields are those of the verdict."""

    def __init__(
        self,
        reason: VerificationReason,
        message: str,
        *,
        file: str = "",
        expected: str = "",
        actual: str = "",
    ) -> None:
        super().__init__(message)
        self.reason: VerificationReason = reason
        self.message = message
        self.file, self.expected, self.actual = file, expected, actual

    @property
    def details(self) -> dict[str, Any]:
        """As fields of a verdict."""
        return {
            "reason": self.reason,
            "message": self.message,
            "file": self.file,
            "expected": self.expected,
            "actual": self.actual,
        }


class Undecided(Exception):
    """Nothing is known about the version; the message says what is in the way."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def refusal_of(error: StoreError | ManifestError, *, file: str) -> Refusal:
    """What the store, or a manifest, says about the bytes. Not for Unavailable."""
    match error:
        case DigestMismatch():
            return Refusal(
                "DigestMismatch",
                str(error),
                file=error.file,
                expected=error.expected,
                actual=error.actual,
            )
        case FileMissing():
            return Refusal(
                "FileMissing",
                f"{error}: the manifest names it, so it was deleted, or never uploaded;"
                f" {PUBLISH_AGAIN}",
                file=error.file,
                expected="the file",
                actual="nothing",
            )
        case TooLarge():
            return Refusal("TooLarge", str(error), file=error.file)
        case ManifestError():
            return Refusal(
                "ManifestInvalid",
                f"{error}; {PUBLISH_AGAIN}",
                file=file,
                expected="a manifest",
                actual=error.field,
            )
    raise error
