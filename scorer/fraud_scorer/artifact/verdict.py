"""What the verification of a version says at its end, in the termination message of its pod.

Only an explicit verdict counts. A pod that was evicted, ran out of memory or time, or could not
reach the store says nothing about the version; what it was up to may be told by an Inconclusive.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fraud_scorer.artifact.digest import canonical_json, sha256_hex
from fraud_scorer.artifact.manifest import FileRef, Name, Strict
from fraud_scorer.artifact.plan import ManifestRef

MAX_BYTES = 4095
"""The kubelet keeps less than 4,096 bytes of a termination message."""

_LONGEST_VALUE = 200
_LONGEST_MESSAGE = 1500

Outcome = Literal["Proven", "Refused"]
VerificationReason = Literal[
    "Proven",
    "DigestMismatch",
    "FileMissing",
    "ManifestInvalid",
    "LoadFailed",
    "GoldenMismatch",
    "FormatMismatch",
    "InputsChanged",
    "SignatureMissing",
    "SignatureInvalid",
    "CompileFailed",
    "ScoresInvalid",
    "TooSlow",
    "TooLarge",
]


class Verdict(Strict, frozen=True):
    """On one version as it was published.

    `source` is what was judged: the sha256 of the manifest's bytes, or of the model file where a
    version has no manifest. `manifest` and `model` are the proven bytes, by their places in the
    store of artifacts; there are none where it was refused. `digest` is the model's, where known.
    """

    outcome: Outcome
    reason: VerificationReason
    version: Name
    source: str
    digest: str = ""
    file: str = ""
    expected: str = ""
    actual: str = ""
    message: str = ""
    manifest: ManifestRef | None = None
    model: FileRef | None = None
    report: str = ""
    """Where the report lies, relative to the prefix; empty where it could not be stored."""


class Inconclusive(Strict, frozen=True):
    """Why a container of the verification ended without a verdict: to be tried again."""

    reason: str
    message: str


def encode(said: Verdict | Inconclusive) -> bytes:
    """It as canonical JSON that fits into a termination message, long texts cut in the middle."""
    texts = {
        name: cut(text, _LONGEST_MESSAGE if name == "message" else _LONGEST_VALUE)
        for name in said.__struct_fields__
        if isinstance(text := getattr(said, name), str)
    }
    return canonical_json(msgspec.structs.replace(said, **texts))


def decode(data: str | bytes) -> Verdict:
    """The verdict in a termination message. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(data, type=Verdict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a verdict: {error}") from None


def cut(text: str, most: int) -> str:
    """Plain ASCII of at most `most` characters, so that the size in bytes is known."""
    plain = text.encode("ascii", "replace").decode()
    plain = "".join(c if c.isprintable() and c not in '"\\' else "'" for c in plain)
    if len(plain) <= most:
        return plain
    half = (most - 5) // 2
    return f"{plain[:half]} ... {plain[-half:]}"


def proof_key(source: str, *, format_version: int, settings: str) -> str:
    """What a verdict is valid for: these bytes, that format, those rules of verification.

    `settings` is any text that is another one when the rules are. Twenty hexadecimal digits.
    """
    identity = {"source": source, "format": format_version, "settings": settings}
    return sha256_hex(canonical_json(identity))[:20]
