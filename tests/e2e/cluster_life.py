"""The life of a local node cluster, lived through in network and mount namespaces of its own.

Run by test_cluster_down.py as `unshare --net --mount … cluster_life STATE`, so that the cluster
which other tests use is not touched. Prints what the machine looked like before, between and after
as JSON.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster import Cluster, ClusterError, cgroups
from tests.cluster.paths import Instance, release
from tests.cluster.processes import Processes
from tests.cluster.providers.local import Local

#: Where containerd and the kubelet write, whatever they are told.
SHARED_FOLDERS = ["/run", "/var/lib", "/var/log"]
POD_WITH_VOLUME = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: stays}
spec:
  containers:
  - name: pause
    image: localhost/fraudops/node-helper:1
    imagePullPolicy: Never
    volumeMounts: [{name: data, mountPath: /data, subPath: inner}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
"""


def main(state: Path) -> dict[str, Any]:
    """Up, up again, killed in pieces, up, down; and a look at the machine at each step."""
    os.environ["FRAUDOPS_STATE"] = str(state)
    for folder in SHARED_FOLDERS:
        _run("mount", "-t", "tmpfs", "tmpfs", folder)
    _run("ip", "link", "set", "lo", "up")
    # A way out, as most machines have: pods are not to find it. It leads nowhere.
    _run("ip", "link", "add", "outside", "type", "veth", "peer", "name", "beyond")
    _run("ip", "link", "set", "beyond", "up")
    _run("ip", "address", "add", "192.0.2.1/24", "dev", "outside")
    _run("ip", "link", "set", "outside", "up")
    _run("ip", "route", "add", "default", "via", "192.0.2.254")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    local = Local()
    seen: dict[str, Any] = {"before": _machine(state)}

    try:
        seen.update(_while_it_lives(local, state))
    finally:
        local.down()
    seen["after"] = _machine(state)
    return seen


def _while_it_lives(local: Local, state: Path) -> dict[str, Any]:
    first = local.ensure("node", None)
    seen: dict[str, Any] = {"first": first.fresh}
    _pod(first)
    seen["outside"] = _ask_outside(first)
    seen["second state"] = _start_another(local, state)
    seen["while up"] = _machine(state)
    seen["again"] = local.ensure("node", None).fresh

    processes = Processes(Instance("node", release(None), state).folder)
    for name in ("kubelet", "etcd", "containerd"):
        pid = processes.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    recovered = local.ensure("node", None)
    seen["after kill"] = recovered.fresh
    _pod(recovered)
    return seen


def _pod(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", "-", input=POD_WITH_VOLUME)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/stays", "--timeout=90s")


def _start_another(local: Local, state: Path) -> str:
    """What happens to who starts a second node on the machine, with a state folder of its own."""
    os.environ["FRAUDOPS_STATE"] = str(state.parent / "another-state")
    try:
        local.ensure("node", None)
    except ClusterError as error:
        return str(error)
    else:
        return "it started"
    finally:
        local.down()
        os.environ["FRAUDOPS_STATE"] = str(state)


def _ask_outside(cluster: Cluster) -> str:
    """What a pod hears when it connects to an address that is not the cluster's."""
    cluster.kubectl(
        "run", "asks", f"--image=localhost/fraudops/kube:{cluster.version}",
        "--image-pull-policy=Never", "--restart=Never", "--",
        "kubectl", "--server=http://198.51.100.7", "--request-timeout=20s", "get", "--raw=/",
    )  # fmt: skip
    ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
    cluster.kubectl("wait", ended, "pod/asks", "--timeout=90s")
    return cluster.kubectl("logs", "asks")


def _machine(state: Path) -> dict[str, Any]:
    """Everything that a cluster could leave behind."""
    instance = Instance("node", release(None), state)
    folders = [path for folder in SHARED_FOLDERS for path in Path(folder).rglob("*")]
    groups = Path("/sys/fs/cgroup").glob("*/fraudops-*")
    ours = [str(each) for each in groups if each.name == cgroups.root(instance).lstrip("/")]
    return {
        "devices": [link["ifname"] for link in json.loads(_run("ip", "-json", "link"))],
        "routes": _run("ip", "route"),
        "nft": _run("nft", "list", "tables"),
        "mounts": [line.split()[4] for line in _lines("/proc/self/mountinfo")],
        "processes": len(Processes(instance.folder).left()),
        "cgroups": ours,
        "files": sorted(str(path) for path in folders),
        "state": sorted(path.name for path in state.iterdir() if path.suffix != ".lock"),
        "ip_forward": _lines("/proc/sys/net/ipv4/ip_forward"),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
