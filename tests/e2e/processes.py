"""Processes of pods, as this machine numbers them: to stop one, or to kill it, from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.bed import Bed


def first_process(bed: Bed, pod: str) -> int:
    """The first process of a scorer pod's container."""
    if bed.cluster.provider != "local":
        pytest.skip("signals a process of a pod from outside, which takes a local node")
    uid = bed.get("pod", pod)["metadata"]["uid"].replace("-", "_")
    for cgroup in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            inside, status = cgroup.read_text(), (cgroup.parent / "status").read_text()
        except OSError:
            continue
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        command = (cgroup.parent / "cmdline").read_bytes()
        if uid in inside.replace("-", "_") and numbers[-1] == "1" and b"serve" in command:
            return int(cgroup.parent.name)
    raise AssertionError(f"no process of pod {pod}")
