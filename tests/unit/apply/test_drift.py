"""What was taken over is found every time; that nothing was is remembered of that very state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fraud_operator.apply import fields
from fraud_operator.apply.drift import Drift
from fraud_operator.observe.store import Key
from fraud_operator.runtime.kube import FIELD_MANAGER

KEY = Key("fraud", "cards")
MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "cards", "annotations": {"hash": "1"}},
    "spec": {"type": "ClusterIP", "selector": {"a": "b"}},
}
TYPE = ("spec", "type")


def live(*lost: str, uid: str = "u") -> dict[str, Any]:
    """As it is there; of its spec, `lost` are somebody else's."""
    ours: dict[str, Any] = {f"f:{name}": {} for name in MANIFEST["spec"] if name not in lost}
    theirs: dict[str, Any] = {f"f:{name}": {} for name in lost}
    managed = [entry("Apply", FIELD_MANAGER, ours), entry("Update", "kubectl", theirs)]
    meta = {"name": "cards", "uid": uid, "managedFields": managed}
    return {**MANIFEST, "metadata": meta}


def entry(operation: str, manager: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    owned = {"f:metadata": {"f:annotations": {"f:hash": {}}}, "f:spec": spec}
    return {"manager": manager, "operation": operation, "fieldsV1": owned}


@pytest.fixture
def drift() -> Drift:
    return Drift()


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of each walk beside managedFields, the name of what was walked."""
    done: list[str] = []
    walk = fields.unowned

    def unowned(owned: fields.Fields, manifest: Mapping[str, Any]) -> list[fields.Path]:
        done.append(manifest["metadata"]["name"])
        return walk(owned, manifest)

    monkeypatch.setattr(fields, "unowned", unowned)
    return done


def test_what_is_as_it_was_is_not_walked_again(drift: Drift, walks: list[str]) -> None:
    for _ in range(3):
        assert drift.of(KEY, live(), MANIFEST, "1") == []
    assert walks == ["cards"]


def test_what_somebody_took_is_found_until_it_is_ours_again(drift: Drift) -> None:
    assert drift.of(KEY, live(), MANIFEST, "1") == []
    for _ in range(2):
        assert drift.of(KEY, live("type"), MANIFEST, "1") == [TYPE]
    drift.wrote(KEY, live(), MANIFEST)
    assert drift.of(KEY, live(), MANIFEST, "1") == []
    assert drift.of(KEY, live("type"), MANIFEST, "1") == [TYPE]


def test_another_plan_is_looked_at_beside_the_same_fields(drift: Drift) -> None:
    assert drift.of(KEY, live(), MANIFEST, "1") == []
    wider = {**MANIFEST, "spec": {**MANIFEST["spec"], "clusterIP": "None"}}
    assert drift.of(KEY, live(), wider, "2") == [("spec", "clusterIP")]


def test_an_object_that_never_was_ours_is_all_drift(drift: Drift) -> None:
    theirs = live()
    theirs["metadata"]["managedFields"] = []
    assert drift.of(KEY, theirs, MANIFEST, "1") == [("metadata", "annotations"), ("spec",)]


def test_what_the_server_does_not_credit_is_no_drift_until_it_does(
    drift: Drift, caplog: pytest.LogCaptureFixture
) -> None:
    drift.wrote(KEY, live("type"), MANIFEST)
    assert "spec.type" in caplog.text
    assert drift.of(KEY, live("type"), MANIFEST, "1") == []
    assert drift.of(KEY, live("type", uid="u2"), MANIFEST, "1") == [TYPE], "of that object alone"
    drift.wrote(KEY, live("type"), MANIFEST)
    assert drift.of(KEY, live("type"), MANIFEST, "1") == []
    drift.wrote(KEY, live(), MANIFEST)
    assert drift.of(KEY, live("type"), MANIFEST, "1") == [TYPE], "it was ours, and is taken"


def test_what_is_made_anew_all_the_time_costs_no_more_memory(drift: Drift) -> None:
    for uid in range(100):
        drift.wrote(KEY, live("type", uid=str(uid)), MANIFEST)
        assert drift.of(KEY, live("type", uid=str(uid)), MANIFEST, "1") == []
    assert sum(map(len, drift._known.values())) == 1
    drift.forget(KEY)
    assert not drift._known
