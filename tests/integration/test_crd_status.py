"""An object without a status is never taken for a finished one, and nobody writes into its spec."""

import json
from typing import Any

from tests.cluster import Cluster
from tests.support.rules import MINIMAL


def get(cluster: Cluster, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        cluster.kubectl("-n", namespace, "get", "fd", "a", "-o", "json")
    )
    return found


def test_from_its_first_moment(control_plane: Cluster, namespace: str, create) -> None:
    create(MINIMAL, keep=True)
    found = get(control_plane, namespace)
    assert found["status"] == {"observedGeneration": -1}
    assert found["spec"] == MINIMAL


def test_a_status_in_the_object_is_not_taken(
    control_plane: Cluster, namespace: str, crds: Cluster
) -> None:
    obj = {
        "apiVersion": "fraudops.io/v1beta1",
        "kind": "FraudDetector",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": MINIMAL,
        "status": {"observedGeneration": 1, "conditions": []},
    }
    control_plane.kubectl("create", "-f", "-", input=json.dumps(obj))
    assert get(control_plane, namespace)["status"] == {"observedGeneration": -1}


def test_what_the_operator_writes_is_taken_and_shown(
    control_plane: Cluster, namespace: str, create
) -> None:
    from tests.support.worlds import World, listing

    create(MINIMAL, keep=True)
    world = World()
    world.store = listing("v2", "v1")
    world.refused[listing("v2").versions[0].manifest.digest] = "DigestMismatch"  # type: ignore[union-attr]
    world.settle()
    said = control_plane.kubectl(
        "-n", namespace, "patch", "fd", "a", "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": world.status}), check=False,
    )  # fmt: skip
    assert "patched" in said
    assert "Warning" not in said
    assert get(control_plane, namespace)["status"] == world.status
    line = control_plane.kubectl("-n", namespace, "get", "fd").splitlines()[-1].split()
    assert line[:5] == ["a", "True", "v1", "3", "100"]
    wide = control_plane.kubectl("-n", namespace, "get", "fd", "-o", "wide")
    assert "Version v1 answers." in wide


def test_kubectl_wait_waits_until_the_newest_spec_was_seen(
    control_plane: Cluster, namespace: str, create
) -> None:
    create(MINIMAL, keep=True)

    def waits() -> bool:
        said = control_plane.kubectl(
            "-n", namespace, "wait", "fd/a", "--for=condition=Ready", "--timeout=0s", check=False
        )
        return "condition met" not in said

    assert waits()
    ready = {
        "type": "Ready",
        "status": "True",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "reason": "Serving",
        "message": "",
    }
    status = {"status": {"observedGeneration": 1, "conditions": [ready]}}
    patch = ("-n", namespace, "patch", "fd", "a", "--type=merge", "-p")
    control_plane.kubectl(*patch, json.dumps(status), "--subresource=status")
    assert not waits()
    control_plane.kubectl(*patch, json.dumps({"spec": {"scorer": {"image": "b"}}}))
    assert get(control_plane, namespace)["metadata"]["generation"] == 2
    assert waits()
