"""Volumes that grow: what a storage system's resizer does once somebody asked for more.

The local cluster's volumes are folders, which have no size, and no resizer looks after them; so a
claim that asks for more would wait for ever. This says of one what a resizer says at its end.
"""

import json

from tests.cluster import Cluster


def grow(cluster: Cluster, namespace: str, claim: str) -> str:
    """Give a bound claim what it asks for; how much that is. The volume's capacity goes first, as a
    resizer has it."""
    where = ("--namespace", namespace)
    found = json.loads(cluster.kubectl(*where, "get", "pvc", claim, "--output=json"))
    size = str(found["spec"]["resources"]["requests"]["storage"])
    capacity = {"capacity": {"storage": size}}
    volume = found["spec"]["volumeName"]
    cluster.kubectl("patch", "pv", volume, "--patch", json.dumps({"spec": capacity}))
    cluster.kubectl(
        *(*where, "patch", "pvc", claim, "--subresource=status"),
        *("--patch", json.dumps({"status": capacity})),
    )
    return size
