"""What a reader must know of the machine and of the run, without saying whose machine it is."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def facts(*folders: str) -> dict[str, str]:
    """By name; no host name, no path. `folders` hold what was measured."""
    return {
        "processor": f"{_cpu('model name') or platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{_memory_gib():.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "Python": platform.python_version(),
        "commit": _commit("bench", *folders),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def instruction_sets() -> str:
    """The processor's flags that numerical code chooses by."""
    known = ("sse4_2", "avx", "avx2", "fma", "bmi2", "avx512f", "avx512vl", "avx512_vnni", "asimd")
    flags = set((_cpu("flags") or _cpu("Features")).split())
    return " ".join(flag for flag in known if flag in flags) or "none that matters"


def _cpu(what: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(what):
            return line.partition(":")[2].strip()
    return ""


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _commit(*folders: str) -> str:
    """The short hash, with a plus where something that runs was changed since."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", *folders)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
