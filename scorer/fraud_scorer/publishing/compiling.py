"""A fitted estimator compiled, or what to change so that it can be."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import msgspec

from fraud_scorer.artifact.manifest import Feature, Framework
from fraud_scorer.compile import NoReasons, Refused, compile_model
from fraud_scorer.engine import Model
from fraud_scorer.publishing.fitted import Fitted
from fraud_scorer.publishing.rows import Row
from fraud_scorer.publishing.unfit import UnfitError


def compiled(
    fitted: Fitted,
    features: Sequence[Feature],
    reference: Sequence[Row] | None,
    accept_inexact: bool,
) -> bytes:
    """The compiled model: with reasons where there are reference rows and it can have any.

    Raises UnfitError, naming the step that cannot be compiled.
    """

    def attempt(rows: Sequence[Row] | None) -> bytes:
        return compile_model(
            fitted.estimator,
            features,
            positive=fitted.fraud,
            reference=rows,
            accept_inexact=accept_inexact,
        )

    try:
        try:
            return attempt(reference)
        except NoReasons:
            return attempt(None)
    except Refused as error:
        raise UnfitError(f"the model cannot be compiled. {error}") from error


def framework(model: Model) -> Framework:
    """What the model was trained and compiled with, as its manifest says it."""
    producer = model.header.producer
    made = {"name": producer.framework, "version": producer.framework_version}
    return msgspec.convert({**made, "python": platform.python_version()}, Framework)
