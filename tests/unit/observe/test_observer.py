"""A detector's pods are told apart by what they are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fraud_operator.observe.management import Tokens
from fraud_operator.observe.observer import Observer
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.types import PodState
from fraud_operator.runtime.kinds import POD
from tests.support.kube import FakeKube
from tests.support.worlds import detector


class Listener:
    """Remembers which pods it is to hear."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def see(self, key: Key, pods: Iterable[Mapping[str, Any]]) -> Sequence[PodState]:
        self.heard += [pod["metadata"]["name"] for pod in pods]
        return ()


def pod(name: str, purpose: str) -> dict[str, Any]:
    labels = {"fraudops.io/detector": "card-payments", "app.kubernetes.io/name": purpose}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "fraud-detection",
            "uid": name,
            "resourceVersion": "1",
            "labels": labels,
        },
        "spec": {},
        "status": {"podIP": "10.0.0.1"},
    }


async def test_only_scorers_are_heard_and_counted() -> None:
    kube, store, listener = FakeKube(), ObjectStore(), Listener()
    for name, purpose in (
        ("scores", "fraud-scorer"),
        ("verifies", "fraud-verification"),
        ("gives-out", "fraud-volume"),
    ):
        store.put(POD, pod(name, purpose))
    observer = Observer(store, Secrets(kube), Tokens(kube), listener)
    key = Key("fraud-detection", "card-payments")
    observed = await observer.look(key, detector(), {"metadata": {}})
    assert listener.heard == ["scores"]
    assert [one["metadata"]["name"] for one in observed.pods] == ["scores"]
    assert [one["metadata"]["name"] for one in observed.volumes] == ["gives-out"]
