"""Values of a Secret that nobody may foresee: a plan says of which kind each is, and `apply` makes
them up when the Secret is made. So a plan stays pure, and holds no secret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Random:
    """43 characters that nobody guesses."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key (PEM)."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """That of the private key under another key of the same Secret (PEM)."""

    of: str


@dataclass(frozen=True, slots=True)
class WithDigest:
    """A text in which `{digest}` stands for the SHA-256 of the value under another key."""

    of: str
    text: str


Value = str | Random | SigningKey | PublicKey | WithDigest
"""A string is that very text."""
