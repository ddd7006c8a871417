"""Differences between two states of an object: by field, and entries of lists by their key."""

from __future__ import annotations

from typing import Any

import pytest

from fraud_operator.cli.planning.differences import Difference, differences, fields_of


def found(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, Any, Any]]:
    return [
        (one.action, one.path, one.before, one.after)
        for one in differences({"spec": before}, {"spec": after})
    ]


CONTAINERS = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("change", "spec.a", 1, 2)]),
        (
            {},
            {"a": {"b": 1, "c": {}}},
            [("add", "spec.a.b", None, 1), ("add", "spec.a.c", None, {})],
        ),
        ({"a": {"b": 1}}, {}, [("remove", "spec.a.b", 1, None)]),
        ({"a": {"b": 1}}, {"a": None}, [("change", "spec.a", {"b": 1}, None)]),
        (CONTAINERS, {"containers": CONTAINERS["containers"][::-1]}, []),
        (
            CONTAINERS,
            {"containers": [{"name": "b", "image": "2"}]},
            [
                ("remove", "spec.containers[a].name", "a", None),
                ("remove", "spec.containers[a].image", "1", None),
                ("change", "spec.containers[b].image", "1", "2"),
            ],
        ),
        ({"args": ["a", "b"]}, {"args": ["a", "c"]}, [("change", "spec.args[1]", "b", "c")]),
        ({"args": ["a"]}, {"args": ["a", "c"]}, [("change", "spec.args", ["a"], ["a", "c"])]),
        ({"n": {"x.io/y": "1"}}, {"n": {"x.io/y": "2"}}, [("change", "spec.n[x.io/y]", "1", "2")]),
        (
            {"m": [{"type": "R", "v": 1}, {"type": "R", "v": 2}]},
            {"m": [{"type": "R", "v": 1}, {"type": "R", "v": 3}]},
            [("change", "spec.m[1].v", 2, 3)],
        ),
    ],
)
def test_fields_that_differ(
    before: dict[str, Any], after: dict[str, Any], expected: list[Any]
) -> None:
    assert found(before, after) == expected


def test_what_only_the_server_writes_is_no_difference() -> None:
    before = {"metadata": {"name": "a", "uid": "1", "generation": 1}, "status": {"ready": 1}}
    after = {"metadata": {"name": "a", "uid": "1", "generation": 2, "managedFields": []}}
    assert differences(before, after) == []


def test_what_is_created_is_told_without_its_name() -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "a", "namespace": "b", "labels": {"x": "y"}},
        "spec": {"list": [{"type": "R"}, {"type": "R"}]},
    }
    assert fields_of(manifest) == [
        Difference("metadata.labels.x", "add", None, "y"),
        Difference("spec.list[0].type", "add", None, "R"),
        Difference("spec.list[1].type", "add", None, "R"),
    ]
