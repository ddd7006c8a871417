"""`kubectl fraud` as a user runs it: by the cluster's kubectl, found on the PATH as a plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.cluster import Cluster


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Of `-o json`."""
        return json.loads(self.out)


@dataclass(frozen=True)
class FraudCli:
    """Runs the plugin in a namespace, as the administrator or as another user."""

    cluster: Cluster
    namespace: str
    kubeconfig: Path

    def __call__(self, *arguments: str, input: str | None = None) -> Answer:
        command = [str(self.cluster.kubectl_path), "fraud", *arguments, "-n", self.namespace]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, input=input, env=self.environment
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    @property
    def environment(self) -> dict[str, str]:
        """In which kubectl finds its plugin, and the cluster."""
        plugins = Path(sys.executable).parent
        path = os.pathsep.join([str(plugins), self.cluster.environment["PATH"]])
        kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        return {**kept, "PATH": path, "KUBECONFIG": str(self.kubeconfig), "TERM": "xterm"}

    def plan(self, *manifests: dict[str, Any], flags: tuple[str, ...] = ()) -> Answer:
        """`plan -f -` of these."""
        text = "\n---\n".join(map(json.dumps, manifests))
        return self("plan", "-f", "-", *flags, input=text)

    def user(self, name: str, *groups: str) -> FraudCli:
        """The same, as somebody else."""
        return replace(self, kubeconfig=self.cluster.kubeconfig_for(name, groups))


def fraud_cli(cluster: Cluster, namespace: str) -> FraudCli:
    """`kubectl fraud` as administrator of the cluster."""
    return FraudCli(cluster, namespace, cluster.kubeconfig)
