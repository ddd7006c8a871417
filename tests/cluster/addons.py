"""What runs in a usual cluster from the start: DNS, resource metrics, a default StorageClass."""

import subprocess
from pathlib import Path

from tests.cluster.paths import PACKAGE, Instance

MANIFESTS = PACKAGE / "manifests"
WAIT_SECONDS = 180


class AddonError(RuntimeError):
    """An add-on was refused or did not become ready."""


def apply(instance: Instance, kube: Path, image: str) -> None:
    """Apply every manifest; `image` holds the cluster's binary."""
    text = "\n---\n".join(path.read_text() for path in sorted(MANIFESTS.glob("*.yaml")))
    _kubectl(
        instance, kube, "apply", "--server-side", "-f", "-", input=text.replace("KUBE_IMAGE", image)
    )


def wait(instance: Instance, kube: Path) -> None:
    """Wait for the node and for DNS. Metrics come some 20 s later, by themselves."""
    timeout = f"--timeout={WAIT_SECONDS}s"
    _kubectl(instance, kube, "wait", "--for=create", "nodes/fraudops-node", timeout)
    _kubectl(instance, kube, "wait", "--for=condition=Ready", "nodes", "--all", timeout)
    _kubectl(
        instance,
        kube,
        "--namespace=kube-system",
        "rollout",
        "status",
        "deployment/coredns",
        timeout,
    )


def _kubectl(instance: Instance, kube: Path, *arguments: str, input: str | None = None) -> None:
    result = subprocess.run(
        [str(kube), "kubectl", "--kubeconfig", str(instance.kubeconfig), *arguments],
        input=input, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode != 0:
        raise AddonError(f"kubectl {' '.join(arguments)}: {result.stderr.strip()}")
