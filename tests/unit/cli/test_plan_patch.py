"""The patch of three ways, as kubectl apply makes it."""

from __future__ import annotations

from typing import Any

import pytest

from fraud_operator.cli.planning.resource import LAST_APPLIED, _last_applied, three_way_patch


@pytest.mark.parametrize(
    ("applied", "wanted", "live", "patch"),
    [
        # Nothing to do; what others set is left alone.
        ({"a": 1}, {"a": 1}, {"a": 1, "b": 2}, {}),
        # Added and changed.
        ({}, {"a": 1, "b": 2}, {"b": 1}, {"a": 1, "b": 2}),
        # In the file no more: removed. Never applied: kept.
        (
            {"a": 1, "c": {"d": 1}},
            {"c": {}},
            {"a": 1, "b": 1, "c": {"d": 1}},
            {"a": None, "c": {"d": None}},
        ),
        # An empty section is a section.
        ({}, {"autoscaling": {}}, {"scorer": {}}, {"autoscaling": {}}),
        # A section that is replaced in part.
        (
            {"s": {"x": 1, "y": 1}},
            {"s": {"y": 2}},
            {"s": {"x": 1, "y": 1}},
            {"s": {"y": 2, "x": None}},
        ),
        # Lists are replaced whole.
        ({"l": [1]}, {"l": [1, 2]}, {"l": [1]}, {"l": [1, 2]}),
        # A null in the file removes.
        ({}, {"b": None, "a": 1}, {"a": 1, "b": 1}, {"b": None}),
    ],
)
def test_it_is_kubectls(
    applied: dict[str, Any], wanted: dict[str, Any], live: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert three_way_patch(applied, wanted, live) == patch


@pytest.mark.parametrize("text", ["not JSON", "[]", "null", '"text"', '{"metadata": 1}'])
def test_a_record_that_was_edited_by_hand_counts_as_none(text: str) -> None:
    assert _last_applied({"metadata": {"annotations": {LAST_APPLIED: text}}}) == {}
