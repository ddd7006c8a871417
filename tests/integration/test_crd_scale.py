"""kubectl scale: sets the number of pods, and is refused where an autoscaler decides."""

import json

from tests.cluster import Cluster
from tests.support.rules import MINIMAL, merged


def scale(cluster: Cluster, namespace: str) -> str:
    return cluster.kubectl("-n", namespace, "scale", "fd/a", "--replicas=7", check=False)


def spec(cluster: Cluster, namespace: str) -> dict:
    return json.loads(cluster.kubectl("-n", namespace, "get", "fd", "a", "-o", "json"))["spec"]


def test_it_sets_the_number(control_plane: Cluster, namespace: str, create) -> None:
    create(MINIMAL, keep=True)
    assert "scaled" in scale(control_plane, namespace)
    assert spec(control_plane, namespace) == merged({"scorer": {"replicas": 7}})


def test_the_scale_subresource_shows_pods_and_their_selector(
    control_plane: Cluster, namespace: str, create
) -> None:
    create(merged({"scorer": {"replicas": 2}}), keep=True)
    status = {
        "scorer": {
            "replicas": 2,
            "readyReplicas": 1,
            "selector": "fraudops.io/detector=a",
            "endpoint": "http://a",
        }
    }
    control_plane.kubectl(
        "-n", namespace, "patch", "fd", "a", "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": status}),
    )  # fmt: skip
    found = json.loads(
        control_plane.kubectl("-n", namespace, "get", "fd", "a", "--subresource=scale", "-ojson")
    )
    assert found["spec"] == {"replicas": 2}
    assert found["status"] == {"replicas": 2, "selector": "fraudops.io/detector=a"}


def test_with_an_autoscaler_it_is_refused_with_what_to_set_instead(
    control_plane: Cluster, namespace: str, create
) -> None:
    create(merged({"autoscaling": {}}), keep=True)
    assert "set spec.autoscaling.minReplicas instead" in scale(control_plane, namespace)
    assert "scorer" not in spec(control_plane, namespace)
