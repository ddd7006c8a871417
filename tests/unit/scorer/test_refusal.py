"""A termination message is always JSON that the kubelet keeps whole."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_scorer.registry.refusal import (
    MAX_BYTES,
    Verdict,
    termination_message,
)

texts = st.text(max_size=3000)


@settings(deadline=None)
@given(version=texts, digest=texts, file=texts, expected=texts, actual=texts, message=texts)
def test_it_fits_whatever_it_says(**fields: str) -> None:
    data = termination_message(Verdict(reason="LoadFailed", **fields))
    assert len(data) <= MAX_BYTES
    assert msgspec.json.decode(data)["reason"] == "LoadFailed"


def test_it_is_as_long_as_it_can_be() -> None:
    long = "x" * 5000
    verdict = Verdict(
        reason="FormatMismatch",
        version=long,
        digest=long,
        file=long,
        expected=long,
        actual=long,
        message=long,
    )
    assert len(termination_message(verdict)) <= MAX_BYTES


def test_short_texts_are_kept() -> None:
    verdict = Verdict(
        reason="DigestMismatch",
        version="v3",
        digest="sha256:1",
        file="v3/model.fdm",
        expected="sha256:1",
        actual="sha256:2",
        message="v3/model.fdm is sha256:2; publish the model again",
    )
    assert msgspec.json.decode(termination_message(verdict), type=Verdict) == verdict
