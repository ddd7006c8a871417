"""The stream of transactions: a pod that sends them through the Service, and what it says, live.

The pod runs stream.py in the scorer's image, which has a Python. It is the only client: nothing of
this machine is in the way that a transaction takes.
"""

import base64
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.demo.client import restricted_pod
from examples.demo.terminal import out
from tests.cluster import Cluster, ClusterError

NAME = "transactions"
SCRIPT = Path(__file__).with_name("stream.py")
FIRST_ANSWER_SECONDS = 60.0
FAREWELL_SECONDS = 30.0
_HEADINGS = (
    "second", "tx/s", "p50 ms", "p99 ms", "approve", "review", "decline", "caught", "missed",
)  # fmt: skip
_ROW = "  {:>8}{:>8}{:>8}{:>8}{:>9}{:>8}{:>9}{:>8}{:>8}   {}"


class Stream:
    """Transactions sent at a rate from inside the cluster until `stop`."""

    def __init__(self, cluster: Cluster, namespace: str, image: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._image = image
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._versions: set[str] = set()
        self._summary: dict[str, Any] = {}
        self._follower = threading.Thread(target=self._follow, daemon=True)

    def start(self, service: str, transactions: Path, rate: int) -> None:
        """Start the pod and show its lines; returns once transactions have been answered.

        Raises ClusterError where none was within a minute.
        """
        objects = [_configmap(transactions), _pod(self._image, service, rate, transactions.name)]
        for each in objects:
            self._kubectl("apply", "--server-side", "--filename=-", input=json.dumps(each))
        self._kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
        out(_ROW.format(*_HEADINGS, "versions"))
        self._follower.start()
        if not self._answered.wait(FIRST_ANSWER_SECONDS):
            logs = self._kubectl("logs", f"pod/{NAME}", "--tail=20")
            raise ClusterError(f"No transaction was answered within a minute:\n{logs}")

    def stop(self) -> dict[str, Any]:
        """End the stream; its summary, as stream.py prints it. Raises ClusterError without one."""
        self._kubectl("exec", NAME, "--", "python3", "-c", "import os; os.kill(1, 15)")
        if not self._ended.wait(FAREWELL_SECONDS) or not self._summary:
            raise ClusterError("the stream ended without a summary")
        return self._summary

    def _follow(self) -> None:
        command = [str(self._cluster.kubectl_path), "--context", self._cluster.context]
        command += ["--namespace", self._namespace, "logs", "--follow", f"pod/{NAME}"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=self._cluster.environment
        )
        for line in process.stdout or ():
            try:
                report = json.loads(line)
            except ValueError:
                out(f"  {line.rstrip()}")
                continue
            if "summary" in report:
                self._summary = report["summary"]
            else:
                self._show(report)
        process.wait()
        self._ended.set()

    def _show(self, report: Mapping[str, Any]) -> None:
        if report["answered"]:
            self._answered.set()
        decisions = report["decisions"]
        counts = [decisions.get(name, 0) for name in ("approve", "review", "decline")]
        versions = " ".join(f"{name}:{count}" for name, count in report["versions"].items())
        failed = f"  FAILED: {report['failed']}" if report["failed"] else ""
        figures = (report["second"], report["rate"], report["p50_ms"], report["p99_ms"], *counts)
        out(_ROW.format(*map(str, figures), report["caught"], report["missed"], versions + failed))

    def _kubectl(self, *args: str, input: str | None = None) -> str:
        return self._cluster.kubectl("--namespace", self._namespace, *args, input=input)


def _configmap(transactions: Path) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME},
        "data": {SCRIPT.name: SCRIPT.read_text()},
        "binaryData": {transactions.name: base64.b64encode(transactions.read_bytes()).decode()},
    }


def _pod(image: str, service: str, rate: int, transactions: str) -> dict[str, Any]:
    mounted = "/transactions"
    script, data = f"{mounted}/{SCRIPT.name}", f"{mounted}/{transactions}"
    command = ["python3", script, service, data, f"--rate={rate}", "--seconds=3600"]
    return restricted_pod(NAME, image, command, mounted)
