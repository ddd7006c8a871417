"""A cluster that somebody else runs, used only when FRAUDOPS_USE_EXISTING_CLUSTER=true.

Nothing is installed into it but what tests make in namespaces of their own, and it is never
removed.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.api import Cluster, ClusterError, ProviderName
from tests.cluster.paths import Tier
from tests.cluster.progress import say


class Existing:
    """The current context of the current kubeconfig."""

    name: ProviderName = "existing"

    def missing(self, tier: Tier, version: str | None) -> str | None:
        if shutil.which("kubectl") is None:
            return "FRAUDOPS_USE_EXISTING_CLUSTER=true needs kubectl on the PATH"
        try:
            self._read(tier)
        except ClusterError as error:
            return str(error)
        return None

    def ensure(self, tier: Tier, version: str | None) -> Cluster:
        cluster = self._read(tier)
        if version is not None and not cluster.version.startswith(f"v{version.lstrip('v')}."):
            raise ClusterError(f"the existing cluster is {cluster.version}, not {version}")
        say(f"-- existing cluster: context {cluster.context} ({cluster.version})")
        return cluster

    def find(self) -> list[Cluster]:
        try:
            return [self._read("node")]
        except ClusterError:
            return []

    def down(self, name: str | None = None) -> None:
        say("   an existing cluster is not ours to remove: nothing done")

    def _read(self, tier: Tier) -> Cluster:
        kubectl = Path(shutil.which("kubectl") or "kubectl")
        chosen = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
        kubeconfig = Path(chosen or Path.home() / ".kube" / "config")
        context = _output(kubectl, kubeconfig, "config", "current-context").strip()
        answer = json.loads(_output(kubectl, kubeconfig, "version", "--output=json"))
        return Cluster(
            name=context, provider="existing", tier=tier,
            version=answer["serverVersion"]["gitVersion"], kubeconfig=kubeconfig, context=context,
            audit_log=None, kubectl_path=kubectl, _load=_load,
        )  # fmt: skip


def _load(images: Sequence[str]) -> None:
    say(f"   an existing cluster fetches images itself and must find {', '.join(images)}")


def _output(kubectl: Path, kubeconfig: Path, *args: str) -> str:
    command = [str(kubectl), "--kubeconfig", str(kubeconfig), "--request-timeout=10s", *args]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ClusterError(
            f"the current context of {kubeconfig} does not answer: {result.stderr.strip()}"
        )
    return result.stdout
