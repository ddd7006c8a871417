"""What a run stands on: a control plane of its own, kwok's nodes, and a model store.

The control plane is an instance of tests/cluster in a state folder of the benchmark's: the clusters
of tests and demo are left alone. kwok plays the kubelet (`stages`), so a pod is ready as soon as it
is scheduled, and a version is proven as soon as its Job's pod is; stand-ins (`ports`) follow the
plans that are pushed to pods. The model store is a real S3 API with one published version, which
all detectors read.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import usage
from bench.fleet import stages
from fraud_operator.plan.pod_template import MANAGEMENT_PORT
from fraud_scorer.artifact.manifest import Manifest
from tests.cluster.api import Cluster
from tests.cluster.control_plane import LOOPBACK, free_ports
from tests.cluster.paths import state_folder
from tests.cluster.processes import Processes
from tests.cluster.progress import step
from tests.cluster.providers.local import Local
from tests.cluster.tools import tool
from tests.support.bucket import BUCKET, client_of, put_version

ROOT = Path(__file__).parents[2]
NODES = 10
TAINT = "kwok.x-k8s.io/node"
SECRET = "model-store"  # noqa: S105 - a name
PREFIX = "card-payments/"
VERSION = "v1"
_FAKE = {TAINT: "fake"}
_ACCESS_KEY, _SECRET_KEY = "bench-access-key", "bench-secret-key"
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Bed:
    """A cluster with kwok's nodes and our CRD, and a model store."""

    cluster: Cluster
    folder: Path
    """For whatever a run leaves behind; removed with the cluster."""
    endpoint: str
    """URL of the store's S3 API."""
    published: Manifest
    """The one version in it."""

    def cpu_seconds(self) -> float:
        """Of the control plane, kwok and the model store since they began."""
        processes = Processes(self.folder)
        pids = [processes.pid(name) for name in processes.names()]
        return sum(usage.cpu_seconds(pid) for pid in pids if pid is not None)

    @property
    def audit_log(self) -> Path:
        """Every request to the API server but the control plane's own reads."""
        assert self.cluster.audit_log is not None
        return self.cluster.audit_log

    def secret(self) -> dict[str, Any]:
        """The Secret by which detectors read the store."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": {"accessKeyID": _ACCESS_KEY, "secretAccessKey": _SECRET_KEY},
        }

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """A namespace with the store's Secret; all that is in it is gone afterwards."""
        self.cluster.kubectl("create", "namespace", name)
        try:
            self.cluster.kubectl(
                "apply", f"--namespace={name}", "--filename=-", input=json.dumps(self.secret())
            )
            yield name
        finally:
            with step(f"removing namespace {name}"):
                self.cluster.kubectl("delete", "namespace", name, "--timeout=30m")


@contextmanager
def bed(*, keep: bool = False) -> Iterator[Bed]:
    """Bring everything up; take it down at the end unless it is to be kept."""
    os.environ["FRAUDOPS_STATE"] = str(state_folder() / "bench")
    local = Local()
    kwok, versitygw = tool("kwok"), tool("versitygw")
    try:
        # Never one that ran before: its caches are warm and its etcd is full.
        local.down()
        cluster = local.ensure("control-plane", None)
        folder = cluster.kubeconfig.parent
        processes = Processes(folder)
        _install_crd(cluster)
        with step("a model store"):
            endpoint = _start_store(versitygw, folder, processes)
            published = _publish(endpoint)
        with step(f"{NODES} nodes of kwok"):
            _start_ports(processes)
            _start_kwok(kwok, cluster, processes, stages.config(published, _own_address()))
        yield Bed(cluster, folder, endpoint, published)
    finally:
        if not keep:
            local.down()


def _install_crd(cluster: Cluster) -> None:
    crds = f"--filename={ROOT / 'crds'}"
    cluster.kubectl("apply", "--server-side", crds)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", crds)


def _start_ports(processes: Processes) -> None:
    """In the repository, whose modules it is made of."""
    processes.start(
        "ports", [sys.executable, "-m", "bench.fleet.ports"], env={"PYTHONPATH": str(ROOT)}
    )
    health = f"http://{LOOPBACK}:{MANAGEMENT_PORT}/health"
    processes.wait_ready("ports", lambda: _answers(health), _PATIENCE_SECONDS)


def _start_kwok(kwok: Path, cluster: Cluster, processes: Processes, of_pods: str) -> None:
    config = cluster.kubeconfig_for("kwok", ["system:masters"])
    stages_file = cluster.kubeconfig.parent / "kwok-stages.yaml"
    stages_file.write_text(of_pods)
    (port,) = free_ports(1)
    processes.start(
        "kwok",
        [
            kwok,
            f"--kubeconfig={config}",
            f"--config={stages_file}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={TAINT}=fake",
            # Without leases of their own the nodes flap under load.
            "--node-lease-duration-seconds=40",
            f"--server-address={LOOPBACK}:{port}",
        ],
    )
    nodes = "\n---\n".join(json.dumps(_node(number)) for number in range(NODES))
    cluster.kubectl("apply", "--filename=-", input=nodes)
    cluster.kubectl("wait", "nodes", "--all", "--for=condition=Ready", "--timeout=60s")


def _own_address() -> str:
    """This machine's: whoever asks a pod there stays on it. Nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        with suppress(OSError):  # there is no way out, and so no other address
            asking.connect(("192.0.2.254", 9))
        address: str = asking.getsockname()[0]
    return LOOPBACK if address == "0.0.0.0" else address  # noqa: S104 - nothing listens here


def _node(number: int) -> dict[str, Any]:
    name = f"fake-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": _FAKE,
            "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": f"zone-{number % 3}",
            },
        },
        "spec": {"taints": [{"key": TAINT, "value": "fake", "effect": "NoSchedule"}]},
    }


def _start_store(versitygw: Path, folder: Path, processes: Processes) -> str:
    objects, metadata = folder / "objects", folder / "metadata"
    objects.mkdir()
    metadata.mkdir()
    (port,) = free_ports(1)
    processes.start(
        "versitygw",
        [
            *(versitygw, "--quiet", "--port", f"{LOOPBACK}:{port}", "--health", "/health"),
            *("posix", "--sidecar", metadata, objects),
        ],
        env={"ROOT_ACCESS_KEY_ID": _ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": _SECRET_KEY},
    )
    endpoint = f"http://{LOOPBACK}:{port}"
    processes.wait_ready("versitygw", lambda: _answers(f"{endpoint}/health"), _PATIENCE_SECONDS)
    return endpoint


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _publish(endpoint: str) -> Manifest:
    client = client_of(endpoint, _ACCESS_KEY, _SECRET_KEY)
    client.create_bucket(Bucket=BUCKET)
    return put_version(client, PREFIX, "card-payments", VERSION, datetime(2026, 1, 1, tzinfo=UTC))
