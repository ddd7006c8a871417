"""The operator as a real process, with the rights that it is installed with and no others."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from fraud_operator.install import objects as install
from tests.cluster import Cluster

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
SCORER_IMAGE = "registry.example/fraudops/scorer:1"


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float = 90.0) -> T:
    """What `look` gives as soon as it gives something; AssertionError when it never does."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


@dataclass(frozen=True)
class Installation:
    """One namespace with its own operator's ServiceAccount, bound there to the shipped roles."""

    cluster: Cluster
    namespace: str
    folder: Path

    @property
    def user(self) -> str:
        """Who the operator is in the audit log."""
        return f"system:serviceaccount:{self.namespace}:{install.NAME}"

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        """kubectl as administrator, in the namespace."""
        return self.cluster.kubectl(
            "--namespace", self.namespace, *arguments, input=input, check=check
        )

    def apply(self, *manifests: dict[str, Any]) -> None:
        """kubectl apply."""
        self.kubectl("apply", "--filename=-", input="\n---\n".join(map(json.dumps, manifests)))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object, with its managedFields; None where there is none."""
        text = self.kubectl(
            "get", kind, name, "--output=json", "--show-managed-fields", "--ignore-not-found"
        )
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def names(self, *kinds: str) -> set[str]:
        """The objects of these kinds, as kind/name."""
        text = self.kubectl("get", ",".join(kinds), "--output=name", "--ignore-not-found")
        return set(text.split())

    def events(self, reason: str, about: str) -> list[str]:
        """Messages of the Events with that reason on the FraudDetector of that name."""
        text = self.kubectl(
            "get", "events", "--output=json", f"--field-selector=reason={reason}",
        )  # fmt: skip
        return [
            item["message"]
            for item in json.loads(text)["items"]
            if item["involvedObject"]["name"] == about
        ]

    def kubeconfig(self) -> Path:
        """A kubeconfig of the operator's ServiceAccount."""
        path = self.folder / "operator.kubeconfig"
        if not path.exists():
            name, cluster = self._server()
            token = self._token()
            path.write_text(
                yaml.safe_dump(
                    {
                        "apiVersion": "v1",
                        "kind": "Config",
                        "clusters": [{"name": name, "cluster": cluster}],
                        "users": [{"name": "operator", "user": {"token": token}}],
                        "contexts": [
                            {"name": "test", "context": {"cluster": name, "user": "operator"}}
                        ],
                        "current-context": "test",
                    }
                )
            )
            path.chmod(0o600)
        return path

    def service_account(self) -> dict[str, str]:
        """The same as a pod gets it: its environment, and a folder of files."""
        folder = self.folder / "serviceaccount"
        _, cluster = self._server()
        if not folder.exists():
            folder.mkdir(mode=0o700)
            authority = base64.b64decode(cluster["certificate-authority-data"])
            (folder / "ca.crt").write_bytes(authority)
            (folder / "token").write_text(self._token())
            (folder / "namespace").write_text(self.namespace)
        at = urlsplit(cluster["server"])
        return {
            "SERVICE_ACCOUNT": str(folder),
            "KUBERNETES_SERVICE_HOST": str(at.hostname),
            "KUBERNETES_SERVICE_PORT": str(at.port or 443),
        }

    def _server(self) -> tuple[str, dict[str, str]]:
        """The kubeconfig's cluster, with what it is trusted by."""
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        contexts = {one["name"]: one["context"] for one in config["contexts"]}
        name: str = contexts[self.cluster.context]["cluster"]
        cluster: dict[str, str] = next(
            one["cluster"] for one in config["clusters"] if one["name"] == name
        )
        authority = cluster.pop("certificate-authority", None)
        if authority:
            data = (self.cluster.kubeconfig.parent / authority).read_bytes()
            cluster["certificate-authority-data"] = base64.b64encode(data).decode()
        return name, cluster

    def _token(self) -> str:
        return self.kubectl("create", "token", install.NAME, "--duration=1h").strip()

    def operator(
        self, name: str = "operator", *flags: str, module: str = "fraud_operator.cli.main"
    ) -> Operator:
        """Start an operator of the installation."""
        at = self.kubeconfig()
        return Operator(self, name, (f"--kubeconfig={at}", *flags), module, {})

    def operator_as_in_a_pod(self, name: str = "operator") -> Operator:
        """The same without a kubeconfig, which takes memory that a pod does not need."""
        return Operator(self, name, (), "tests.support.pod_operator", self.service_account())


def installed(cluster: Cluster, namespace: str, folder: Path, *others: str) -> Installation:
    """Install everything but the operator's Deployment, to look after its own namespace and
    `others`."""
    options = install.Options(
        namespace=namespace,
        image="-",
        scorer_image=SCORER_IMAGE,
        watched=",".join((namespace, *others)),
    )
    kinds = {"ServiceAccount", "ClusterRole", "Role", "RoleBinding"}
    manifests = [one for one in install.objects(options) if one["kind"] in kinds]
    cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--filename=-",
        input="\n---\n".join(map(json.dumps, manifests)),
    )  # fmt: skip
    return Installation(cluster, namespace, folder)


class Operator:
    """A running `fraud-operator run`. Use as a context manager, or call `stop`."""

    def __init__(
        self,
        at: Installation,
        name: str,
        flags: Sequence[str],
        module: str,
        more: Mapping[str, str],
    ) -> None:
        self.name = name
        self.log = at.folder / f"{name}.log"
        command = [
            sys.executable, "-m", module, "run",
            f"--scorer-image={SCORER_IMAGE}", f"--namespaces={at.namespace}",
            f"--lease-namespace={at.namespace}",
            f"--identity={name}", "--listen=127.0.0.1:0", "--log-level=debug", *flags,
        ]  # fmt: skip
        # Nothing of this machine's clouds: the operator must not need it, nor find it.
        environment = {"PATH": os.environ["PATH"], "HOME": str(at.folder), **more}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stderr=log, stdout=log, env=environment, cwd=ROOT
            )

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def send(self, signum: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(signum)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def logs(self) -> list[dict[str, Any]]:
        """What it logged."""
        lines = self.log.read_text().splitlines()
        found = []
        for line in lines:
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def writes(self) -> float:
        """How many writes it sent, those to its Lease apart."""
        of_others = r'\{[^}]*kind="(?!Lease)[^}]*verb="(?:APPLY|STATUS|POST|DELETE)"[^}]*\}'
        return self.metric("fraud_operator_api_requests_total", labels=of_others)

    def metric(self, name: str, labels: str = r"(?:\{.*\})?") -> float:
        """The sum of a metric over its labels (a pattern); 0 where it cannot be asked."""
        started = [one for one in self.logs() if one.get("message") == "listening"]
        if not started:
            return 0.0
        url = f"http://127.0.0.1:{started[-1]['port']}/metrics"
        with suppress(urllib.error.URLError, OSError):
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
            values = re.findall(rf"^{name}{labels} (\S+)$", text, re.MULTILINE)
            return sum(map(float, values))
        return 0.0

    def leads(self) -> bool:
        """Whether it says that it holds the Lease; AssertionError when it has ended."""
        if self.process.poll() is not None:
            last = self.log.read_text()[-1000:]
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {last}")
        return self.metric("fraud_operator_leader") == 1

    def wait_to_lead(self, seconds: float = 60.0) -> Operator:
        """Return when it leads."""
        wait_for(f"{self.name} leads; see {self.log}", self.leads, seconds=seconds)
        return self

    def resident_megabytes(self) -> float:
        """Its memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024
