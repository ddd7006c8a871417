"""A pod in the cluster that posts files to the detector's Service, as one's own systems would."""

import json
from pathlib import Path
from typing import Any

from examples.demo.terminal import Shell
from tests.cluster import Cluster

NAME = "client"
SCRIPT = Path(__file__).with_name("post.py")
_MOUNTED = "/client"
_WAITS = "import signal; signal.sigwait({signal.SIGTERM})"


class Client:
    """Runs post.py inside the cluster."""

    def __init__(self, shell: Shell, namespace: str, service: str) -> None:
        self._shell = shell
        self._namespace = namespace
        self._service = service

    def start(self, cluster: Cluster, image: str) -> None:
        """Start the pod, and wait until it can be told something."""
        data = {SCRIPT.name: SCRIPT.read_text()}
        script = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data}
        pod = restricted_pod(NAME, image, ["python3", "-c", _WAITS], _MOUNTED)
        where = ("--namespace", self._namespace)
        for each in (script, pod):
            cluster.kubectl(
                *where, "apply", "--server-side", "--filename=-", input=json.dumps(each)
            )
        cluster.kubectl(*where, "wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")

    def post(self, file: Path, route: str) -> None:
        """Post the lines of a file, and show how many were answered how."""
        self._shell.feed(self._command(route), file)

    def ask(self, lines: bytes, route: str) -> str:
        """Post lines (gzipped), without a word; the answers, a line each."""
        return self._shell.run(*f"{self._command(route)} --show".split(), input=lines)

    def _command(self, route: str) -> str:
        target = f"{_MOUNTED}/{SCRIPT.name} {self._service}{route}"
        return f"kubectl exec --stdin {NAME} --namespace {self._namespace} -- python3 {target}"


def restricted_pod(name: str, image: str, command: list[str], mounted: str) -> dict[str, Any]:
    """A pod that may do nothing but talk, with the ConfigMap of its name at `mounted`."""
    container = {
        "name": name,
        "image": image,
        "command": command,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "files", "mountPath": mounted}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "files", "configMap": {"name": name}}],
        },
    }
