"""Whatever is sent, it is either a transaction or a problem that names what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fraud_scorer.artifact.manifest import value_problem
from fraud_scorer.pipeline.features import features
from fraud_scorer.pipeline.parse import fitting, parse
from fraud_scorer.problem import MAX_ERRORS, Problem
from fraud_scorer.registry.inputs import Row
from tests.unit.scorer.support import (
    FEATURES,
    GOLDEN,
    FakeModel,
    fake_loaded,
    manifest_of,
    transaction,
)

MODEL = fake_loaded(FakeModel(), manifest_of(FEATURES, GOLDEN[0]))
READ_AT_ONCE = fitting(MODEL.inputs.sent)


def problem(body: bytes | dict[str, object]) -> Problem:
    with pytest.raises(Problem) as caught:
        features(parse(body if isinstance(body, bytes) else json.dumps(body).encode()), MODEL)
    return caught.value


def pointers(found: Problem) -> list[str]:
    return [error.pointer for error in found.document.errors]


def test_a_transaction_is_read_as_it_was_sent() -> None:
    request = parse(json.dumps(transaction(event_time="2026-01-01T12:00:00+02:00")).encode())
    assert request.transaction_id == "t-1"
    assert request.event_time == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert request.amount_minor == 950
    assert request.features == GOLDEN[0]


def test_features_go_to_the_model_in_its_order() -> None:
    shuffled = dict(reversed(GOLDEN[1].items()))
    request = parse(json.dumps(transaction(shuffled)).encode())
    assert features(request, MODEL) == (950.0, None, "web", "iron")


def test_what_was_seen_before_goes_to_the_model_at_once() -> None:
    body = json.dumps(transaction(dict(reversed(GOLDEN[1].items())))).encode()
    request = parse(body)
    assert READ_AT_ONCE is not None
    at_once = READ_AT_ONCE(body)
    assert at_once is not None
    named, row = at_once
    assert row == features(request, MODEL)
    for name in set(transaction()) - {"features"}:
        assert getattr(named, name) == getattr(request, name)
    unseen = json.dumps(transaction(GOLDEN[1], currency="XTS", entities={"unseen": "x"})).encode()
    assert READ_AT_ONCE(unseen) is None


@pytest.mark.parametrize("name", list(transaction()))
def test_every_field_is_required(name: str) -> None:
    found = problem({key: value for key, value in transaction().items() if key != name})
    assert found.status == 422
    assert found.document.errors[0].detail == "is missing"
    assert pointers(found) == [f"#/{name}"]


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"transaction_id": ""}, "#/transaction_id", "length"),
        ({"transaction_id": "x" * 129}, "#/transaction_id", "length"),
        ({"transaction_id": 7}, "#/transaction_id", "must be a string, not an integer"),
        ({"event_time": "yesterday"}, "#/event_time", "RFC3339"),
        ({"event_time": "2026-01-01T12:00:00"}, "#/event_time", "timezone"),
        ({"event_time": 1767225600}, "#/event_time", "RFC 3339"),
        ({"entities": []}, "#/entities", "must be an object, not an array"),
        ({"entities": {"customer": 5}}, "#/entities/customer", "must be a string, not an integer"),
        ({"entities": {"customer": ""}}, "#/entities/customer", "length"),
        ({"entities": {"Customer": "c"}}, "#/entities/Customer", "lower-case"),
        ({"entities": {"customer\n": "c"}}, "#/entities/customer\n", "lower-case"),
        ({"entities": {f"e{i}": "c" for i in range(17)}}, "#/entities", "length"),
        ({"amount_minor": 9.5}, "#/amount_minor", "must be an integer, not a number"),
        ({"amount_minor": "9"}, "#/amount_minor", "must be an integer, not a string"),
        ({"amount_minor": True}, "#/amount_minor", "must be an integer, not a boolean"),
        ({"amount_minor": -1}, "#/amount_minor", ">= 0"),
        ({"amount_minor": 2**53}, "#/amount_minor", "<= "),
        ({"amount_minor": 10**30}, "#/amount_minor", "<= "),
        ({"currency": "eur"}, "#/currency", "ISO 4217"),
        ({"currency": "EURO"}, "#/currency", "ISO 4217"),
        ({"currency": "EUR\n"}, "#/currency", "ISO 4217"),
        ({"currency": None}, "#/currency", "must be a string, not null"),
        ({"surplus": 1}, "#/surplus", "is not a field of a transaction"),
        ({"features": []}, "#/features", "must be an object, not an array"),
    ],
)
def test_each_field_is_checked(changes: dict[str, Any], pointer: str, detail: str) -> None:
    found = problem(transaction(**changes))
    assert found.status == 422
    assert pointers(found) == [pointer]
    assert detail in found.document.errors[0].detail
    assert pointer in found.document.detail


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"amount": True}, "must be a number, a string or null, not a boolean"),
        ({"amount": [1]}, "must be a number, a string or null, not an array"),
        ({"amount": {"a": 1}}, "must be a number, a string or null, not an object"),
        ({"amount": "9.5"}, "must be a number"),
        ({"amount": None}, "must not be null"),
        ({"amount": -0.01}, "must be at least 0"),
        ({"amount": 1e39}, "must be at most 3.40282e+38"),
        ({"amount": 10**400}, "is out of range"),
        ({"age": "old"}, "must be a number"),
        ({"channel": 5}, "must be a string (it is a category)"),
        ({"channel": None}, "must not be null"),
        ({"tier": "tin"}, "is not one of the model's categories for this feature"),
    ],
)
def test_each_feature_is_checked(changes: dict[str, Any], detail: str) -> None:
    found = problem(transaction(GOLDEN[0] | changes))
    (name,) = changes
    assert found.status == 422
    assert pointers(found) == [f"#/features/{name}"]
    assert found.document.errors[0].detail == detail


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_json_does_not_have_is_pointed_at(text: str) -> None:
    body = json.dumps(transaction()).replace("9.5", text).encode()
    found = problem(body)
    assert found.status == 400
    assert pointers(found) == ["#/features/amount"]
    assert "must be a finite number" in found.document.detail


def test_a_number_that_would_be_infinite_is_pointed_at() -> None:
    body = json.dumps(transaction()).replace("9.5", "1e999").encode()
    assert pointers(problem(body)) == ["#/features/amount"]


def test_all_features_at_fault_are_named_at_once() -> None:
    found = problem(transaction({"amount": -1, "age": 1, "colour": "red"}))
    assert pointers(found) == [
        "#/features/amount",
        "#/features/channel",
        "#/features/tier",
        "#/features/colour",
    ]


def test_but_not_endlessly_many() -> None:
    found = problem(transaction({f"f{i}": 1 for i in range(1000)}))
    assert len(found.document.errors) == MAX_ERRORS


def test_odd_names_make_valid_pointers() -> None:
    found = problem(transaction({**GOLDEN[0], "a/b~c": 1}))
    assert pointers(found) == ["#/features/a~1b~0c"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"a": 1} {"b": 2}',
        b"\xff",
        b'{"transaction_id": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"transaction_id": "\\ud800"}',
        b"[" * 200_000,
        b'{"features": ' + b'{"a":' * 100_000,
        b"9" * 5000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert problem(body).status in (400, 422)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_problem(body: bytes) -> None:
    check(body)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(list(transaction())) | st.text(max_size=5), json_values))
@example({"a matching regex - at `$.x[...]`": 1})
@example({"x` - at `key` in `$.entities": 1})
def test_any_values_are_a_transaction_or_a_problem(changes: dict[str, Any]) -> None:
    check(json.dumps(transaction() | changes).encode())


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from([one.name for one in FEATURES]) | st.text(), json_values))
@example({"amount": float("nan")})
@example({"\ud800": 1})
def test_any_features_are_a_row_or_a_problem(given_features: dict[str, Any]) -> None:
    check(json.dumps(transaction(dict(GOLDEN[0]) | given_features)).encode())


def check(body: bytes) -> None:
    """A row that the manifest allows, or a problem that can be sent; nothing else."""
    answer = row_or_problem(body)
    assert READ_AT_ONCE is not None
    at_once = READ_AT_ONCE(body)
    if isinstance(answer, Problem):
        assert at_once is None
        assert 400 <= answer.status < 500
        document = msgspec.json.decode(answer.body())
        assert document["status"] == answer.status
        assert document["detail"]
        assert "Traceback" not in document["detail"]
        assert all(error["pointer"].startswith("#") for error in document.get("errors", ()))
        return
    assert at_once is None or at_once[1] == answer
    assert len(answer) == len(FEATURES)
    for feature, value in zip(FEATURES, answer, strict=True):
        assert not value_problem(feature, value)


def row_or_problem(body: bytes) -> Row | Problem:
    try:
        return features(parse(body), MODEL)
    except Problem as problem:
        return problem
