"""kind, where a Docker engine answers. Thin: kind does the work, this only asks for an audit log.

Untested where no Docker engine was to be had. There is no metrics-server in it.
"""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.api import Cluster, ClusterError, ProviderName
from tests.cluster.control_plane import AUDIT_POLICY
from tests.cluster.paths import Tier, state_folder
from tests.cluster.progress import step
from tests.cluster.tools import tool

NAME = "fraudops"
CONTEXT = f"kind-{NAME}"


class Kind:
    """One kind cluster named fraudops, for both tiers."""

    name: ProviderName = "kind"

    def missing(self, tier: Tier, version: str | None) -> str | None:
        if version is not None:
            return "a given Kubernetes version is built from Go modules here, not taken from kind"
        if shutil.which("docker") is None or not _answers(["docker", "info"]):
            return "no Docker engine answers `docker info`; start one, and kind is used"
        if shutil.which("kubectl") is None:
            return "a Docker engine answers, but kubectl is not on the PATH; install it to use kind"
        return None

    def ensure(self, tier: Tier, version: str | None) -> Cluster:
        if found := self.find():
            return found[0]
        folder = _folder()
        logs = folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        (folder / "audit-policy.yaml").write_text(json.dumps(AUDIT_POLICY))
        (folder / "kind.yaml").write_text(json.dumps(_configuration(folder, logs)))
        create = ["create", "cluster", "--name", NAME, "--wait", "3m"]
        create += ["--config", str(folder / "kind.yaml"), "--kubeconfig", str(_kubeconfig())]
        with step("kind create cluster"):
            _kind(*create)
        if found := self.find():
            return dataclasses.replace(found[0], fresh=True)
        raise ClusterError(f"kind made a cluster that does not answer; see {_kubeconfig()}")

    def find(self) -> list[Cluster]:
        kubectl = shutil.which("kubectl")
        if kubectl is None or not _kubeconfig().exists():
            return []
        command = [kubectl, "--kubeconfig", str(_kubeconfig()), "version", "--output=json"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            return []
        cluster = Cluster(
            name=NAME,
            provider="kind",
            tier="node",
            version=json.loads(result.stdout)["serverVersion"]["gitVersion"],
            kubeconfig=_kubeconfig(),
            context=CONTEXT,
            audit_log=_folder() / "logs" / "audit.log",
            kubectl_path=Path(kubectl),
            _load=_load,
        )
        return [cluster]

    def down(self, name: str | None = None) -> None:
        if name in (None, NAME) and _folder().exists():
            with step("kind delete cluster"):
                _kind("delete", "cluster", "--name", NAME)
                shutil.rmtree(_folder())


def _folder() -> Path:
    return state_folder() / "kind"


def _kubeconfig() -> Path:
    return _folder() / "kubeconfig"


def _load(images: Sequence[str]) -> None:
    with step(f"kind load {' '.join(images)}"):
        _kind("load", "docker-image", "--name", NAME, *images)


def _configuration(folder: Path, logs: Path) -> dict[str, object]:
    """One node, whose API server writes the audit log into a folder of this machine."""
    policy, log = "/etc/kubernetes/fraudops/audit-policy.yaml", "/var/log/fraudops/audit.log"

    def mount(name: str, path: str, read_only: bool) -> dict[str, object]:
        kind = "File" if read_only else "DirectoryOrCreate"
        volume = {"name": name, "hostPath": path, "mountPath": path, "pathType": kind}
        return {**volume, "readOnly": read_only}

    kubeadm = {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": {"audit-policy-file": policy, "audit-log-path": log},
            "extraVolumes": [
                mount("audit-policy", policy, read_only=True),
                mount("audit-log", str(Path(log).parent), read_only=False),
            ],
        },
    }
    mounts = [
        {"hostPath": str(folder / "audit-policy.yaml"), "containerPath": policy, "readOnly": True},
        {"hostPath": str(logs), "containerPath": str(Path(log).parent)},
    ]
    node = {
        "role": "control-plane",
        "kubeadmConfigPatches": [json.dumps(kubeadm)],
        "extraMounts": mounts,
    }
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}


def _kind(*arguments: str) -> None:
    command = shutil.which("kind") or str(tool("kind"))
    result = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ClusterError(f"kind {' '.join(arguments)}: {result.stderr.strip()[-3000:]}")


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
