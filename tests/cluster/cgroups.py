"""The control group that all pods of an instance live under, in cgroup v1, hybrid and v2.

A root of our own, so that what pods leave running can be found and ended without asking containerd.
"""

import contextlib
import os
import time
from hashlib import sha256
from pathlib import Path

from tests.cluster.paths import Instance
from tests.cluster.processes import stop_pids


def root(instance: Instance) -> str:
    """The kubelet's cgroupRoot; another state folder has another."""
    return f"/fraudops-{instance.name}-{sha256(str(instance.base).encode()).hexdigest()[:8]}"


def make(instance: Instance) -> None:
    """Make the root in every hierarchy."""
    for folder in _folders(instance):
        folder.mkdir(exist_ok=True)


def clear(instance: Instance) -> None:
    """Kill every process of every pod, then remove the groups."""
    pids = {
        int(pid)
        for top in _folders(instance)
        for group in _groups(top)
        for pid in _read(group / "cgroup.procs").split()
    }
    stop_pids(sorted(pids), 0)
    for top in _folders(instance):
        for group in reversed(_groups(top)):
            _remove(group)


def _folders(instance: Instance) -> list[Path]:
    name = root(instance).lstrip("/")
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(mount[1]) / name for mount in mounts if mount[2] in ("cgroup", "cgroup2")]


def _groups(top: Path) -> list[Path]:
    """A group and those in it, parents first."""
    return [Path(path) for path, _, _ in os.walk(top)]


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""


def _remove(group: Path) -> None:
    """A group can be removed a moment after its last process has ended."""
    for _ in range(100):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    group.rmdir()
