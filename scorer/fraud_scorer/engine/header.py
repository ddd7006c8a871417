"""The JSON header of a `.fdm`: what people and the server need to know of a model.

The arithmetic needs none of it but the inputs, whose order is that of the program's first slots.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from fraud_scorer.engine.errors import FormatError

Exactness = Literal["exact", "rounded", "bounded"]
"""How scores compare with scikit-learn's; docs/exactness.md says what each word promises."""


class _Data(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Strict: a header with an unknown key is of a version that this engine does not know."""


class Input(_Data, frozen=True):
    """One input, in the order in which the program takes them. `categories` are all the strings
    that the model tells apart; any other is an unknown category."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    type: Literal["number", "category"]
    nullable: bool
    categories: tuple[str, ...] = ()


class Producer(_Data, frozen=True):
    """What compiled the model from what."""

    name: str
    version: str
    framework: str
    framework_version: str


class Step(_Data, frozen=True):
    """One fitted object of the estimator: where it stands in it, and its class."""

    path: str
    kind: str


class Flips(_Data, frozen=True):
    """Rows on which an inexact step before a threshold was measured, and on how many it changed
    the score by more than 1e-9."""

    rows: int
    flipped: int


class Header(_Data, frozen=True):
    """Everything in the header. `explained` is the unit of the contributions of reasons."""

    format: Literal["fdm"]
    producer: Producer
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1)]
    steps: tuple[Step, ...]
    positive_class: str
    exactness: Exactness
    explained: Literal["probability", "log-odds", "anomaly"]
    trees: int
    nodes: int
    flips: Flips | None = None


def decode(data: bytes) -> Header:
    """The header in `data`. Raises FormatError where it is none, or contradicts itself."""
    try:
        header = msgspec.json.decode(data, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"the header is not what it should be: {error}") from None
    names = [one.name for one in header.inputs]
    if len(set(names)) != len(names):
        raise FormatError("the header names an input twice")
    for one in header.inputs:
        if len(set(one.categories)) != len(one.categories):
            raise FormatError(f"the header names a category of {one.name!r} twice")
        if one.type == "number" and one.categories:
            raise FormatError(f"the header gives the number {one.name!r} categories")
    return header


def encode(header: Header) -> bytes:
    """The header's bytes as they lie in the file."""
    return msgspec.json.encode(header)
