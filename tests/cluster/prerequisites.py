"""What a local cluster needs of the machine, and how to get it.

The control plane needs Linux and Go modules only. A node needs root, with the right to make devices
and mounts, and a handful of system packages, which are installed with consent: CI=true, YES=1, or
a yes on a terminal.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.paths import Tier
from tests.cluster.progress import say, step

#: A command and the Debian package that has it.
NODE_COMMANDS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nft": "nftables",
    "mount": "mount",
}
#: What tests start as child processes; tests/support has a module for each.
STORES = {"psql": "postgresql", "redis-server": "redis-server"}
CNI_FOLDERS = [Path("/usr/lib/cni"), Path("/opt/cni/bin")]
CNI_PACKAGE = "containernetworking-plugins"
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21


def lacking(tier: Tier) -> str | None:
    """None when the machine can run the tier (perhaps after an install), or what is missing."""
    if not sys.platform.startswith("linux"):
        return "a cluster without Docker needs Linux: start a Docker engine and install kind"
    if tier == "control-plane":
        return None
    if os.geteuid() != 0:
        return (
            "real pods need root (containers, network devices, mounts): run this as root, or start"
            " a Docker engine that this user may use; the control plane alone runs without either"
        )
    if not (_capable(CAP_NET_ADMIN) and _capable(CAP_SYS_ADMIN)):
        return "this root may not make network devices or mounts (CAP_NET_ADMIN, CAP_SYS_ADMIN)"
    packages = missing_packages()
    if not packages or (installed(packages, "A node") and not missing_packages()):
        return None
    return f"system packages are missing: {install_command(packages)}"


def missing_packages() -> list[str]:
    """Debian packages that a node needs and that are not here."""
    missing = set(missing_of(NODE_COMMANDS))
    if cni_folder() is None:
        missing.add(CNI_PACKAGE)
    return sorted(missing)


def missing_of(commands: Mapping[str, str]) -> list[str]:
    """The Debian packages of those commands (name: package) that are not here."""
    search = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    return sorted(
        {package for name, package in commands.items() if not shutil.which(name, path=search)}
    )


def ask_once() -> None:
    """Install with a single question whatever a node and image builds lack on this machine.

    Who says no, or is not root, learns what is missing where it is needed.
    """
    # Here, because that module imports this one.
    from tests.cluster.images.builder import WITHOUT_DOCKER, WITHOUT_REGISTRY, docker_answers

    if os.geteuid() != 0:
        return
    packages = set(missing_of(STORES))
    if not docker_answers():
        packages |= {*missing_packages(), *missing_of({**WITHOUT_DOCKER, **WITHOUT_REGISTRY})}
    if packages:
        installed(sorted(packages), "Tests with real pods and stores")


def cni_folder() -> Path | None:
    """The folder with the network plugins."""
    return next((each for each in CNI_FOLDERS if (each / "bridge").exists()), None)


def consent(question: str) -> bool:
    """Whether the person or the environment agrees: CI=true, YES=1, or a yes on a terminal."""
    if os.environ.get("CI", "").lower() == "true" or os.environ.get("YES") == "1":
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def install_command(packages: Sequence[str]) -> str:
    """What a person would type to install Debian packages."""
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


def installed(packages: Sequence[str], who: str) -> bool:
    """Install Debian packages that `who` needs, with consent; whether that was done."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return False
    if not consent(f"{who} needs system packages. Run: {install_command(packages)} ?"):
        return False
    with step(f"installing {', '.join(packages)}"):
        if "postgresql" in packages:
            _want_no_database()
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            result = subprocess.run(
                ["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300", *arguments],
                capture_output=True, text=True, check=False,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )  # fmt: skip
            if result.returncode != 0:
                say(f"apt-get {arguments[0]} failed:\n{result.stderr.strip()[-2000:]}")
                return False
    return True


def _want_no_database() -> None:
    """Debian would make and start a database of the machine's own; tests start theirs."""
    folder = Path("/etc/postgresql-common/createcluster.d")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fraudops.conf").write_text("create_main_cluster = false\n")


def _capable(capability: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False
