"""An installation of the operator in a namespace of the test's own, and a bucket with models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cluster import Cluster
    from tests.support.bucket import Bucket
    from tests.support.process import Installation, Operator
    from tests.support.virtual_node import VirtualNode

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def crds(control_plane: Cluster) -> Cluster:
    """The control plane with our CRDs in it."""
    control_plane.kubectl(
        "apply", "--server-side", "--force-conflicts", f"--filename={ROOT / 'crds'}"
    )
    # Until a CRD has any condition at all, kubectl takes that for an error.
    control_plane.kubectl(
        "wait", "--for=jsonpath={.status.conditions}", "--timeout=90s",
        f"--filename={ROOT / 'crds'}",
    )  # fmt: skip
    control_plane.kubectl(
        "wait", "--for=condition=Established", "--timeout=90s", f"--filename={ROOT / 'crds'}"
    )
    return control_plane


@pytest.fixture
def create(crds: Cluster, namespace: str) -> Callable[..., str]:
    """Create a detector `a` with a spec, as a dry run unless `keep` is given; what kubectl says."""

    def create(spec: Mapping[str, Any], *, name: str = "a", keep: bool = False) -> str:
        obj = {
            "apiVersion": "fraudops.io/v1beta1",
            "kind": "FraudDetector",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        dry = [] if keep else ["--dry-run=server"]
        return crds.kubectl("create", "-f", "-", *dry, input=json.dumps(obj), check=False)

    return create


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """An S3 server on this machine."""
    from tests.support.bucket import Bucket

    bucket = Bucket.start()
    yield bucket
    bucket.stop()


@pytest.fixture
def node(crds: Cluster, namespace: str, tmp_path: Path) -> Iterator[VirtualNode]:
    """What becomes of pods in the namespace of the installation."""
    from tests.support.process import installed
    from tests.support.virtual_node import virtual_node

    with virtual_node(installed(crds, namespace, tmp_path)) as node:
        yield node


@pytest.fixture
def installation(node: VirtualNode) -> Installation:
    """Everything that the operator needs in a namespace, but no process yet."""
    return node.at


@pytest.fixture
def storage_class(installation: Installation) -> Iterator[str]:
    """A class whose volumes can grow, with one volume of it for this test."""
    name = f"grows-{installation.namespace}"
    installation.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name},
            "provisioner": "kubernetes.io/no-provisioner",
            "allowVolumeExpansion": True,
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "storageClassName": name,
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/nowhere"},
                "persistentVolumeReclaimPolicy": "Retain",
            },
        },
    )
    yield name
    installation.kubectl("delete", "storageclass,pv", name, "--wait=false")


@pytest.fixture
def operator(installation: Installation, bucket: Bucket) -> Iterator[Operator]:
    """A running, leading operator, and a first version of the model `cards`."""
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret())
    with installation.operator() as process:
        yield process.wait_to_lead()
