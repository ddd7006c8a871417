"""What a person asked for is taken from one annotation, and a mistyped one is no request."""

import json

import pytest

from fraud_operator.observe.requests import request_of
from fraud_operator.plan.types import Request


def written(text: str) -> dict[str, object]:
    return {"metadata": {"annotations": {"fraudops.io/request": text}}}


def test_a_request_is_read() -> None:
    asked = {"id": "1", "action": "rollback", "version": "v1", "reason": "why", "by": "alice"}
    assert request_of(written(json.dumps(asked))) == Request("1", "rollback", "v1", "why", "alice")
    assert request_of(written('{"id": "2", "action": "sync"}')) == Request("2", "sync")


@pytest.mark.parametrize(
    "text",
    ["", "rollback", "{}", '{"id": "1"}', '{"id": "", "action": "sync"}', '{"action": "sync"}',
     '{"id": "1", "action": "destroy"}', '{"id": 1, "action": "sync"}', "[1]",
     '{"id": "1", "action": "sync", "reason": "' + "x" * 5000 + '"}'],
)  # fmt: skip
def test_everything_else_is_none(text: str) -> None:
    assert request_of(written(text)) is None


def test_an_object_without_annotations_asks_for_nothing() -> None:
    assert request_of({"metadata": {}}) is None
