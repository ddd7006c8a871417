"""What is found out of a model file that nobody described: the beginnings of its manifest.

It comes out of the process in which the file was read, so it is a claim. Whoever makes a manifest
of it proves the model by it like any other.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fraud_scorer.artifact.manifest import Feature, Framework, Golden, Strict


class Draft(Strict, frozen=True):
    """The model's inputs, and rows that its own library scored."""

    framework: Framework
    features: Annotated[tuple[Feature, ...], Meta(min_length=1, max_length=2000)]
    golden: Annotated[tuple[Golden, ...], Meta(min_length=1, max_length=1000)]


def decode(data: bytes) -> Draft:
    """The draft in `data`. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(data, type=Draft)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a description of a model: {error}") from None
