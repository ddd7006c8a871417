"""What a node leaves on the machine beyond its state folder, remembered before and removed after.

containerd, its shims and the kubelet write to some fixed places. Those that were not there before
the node are removed with it; in those that were, only what is ours.
"""

import contextlib
import json
import re
import shutil
import subprocess
from pathlib import Path

from tests.cluster import cgroups, network
from tests.cluster.paths import Instance
from tests.cluster.processes import Processes

REMEMBERED = "before.json"
FIXED_PLACES = [
    Path("/var/lib/kubelet"),
    Path("/var/log/containers"),
    Path("/var/log/pods"),
    Path("/var/lib/cni"),
    Path("/run/containerd"),
]


def remember(instance: Instance) -> None:
    """Write down how the machine was, before anything is changed on it."""
    instance.folder.mkdir(parents=True, exist_ok=True)
    before = {
        "existed": [str(place) for place in FIXED_PLACES if place.exists()],
        "ip_forward": network.IP_FORWARD.read_text().strip(),
    }
    (instance.folder / REMEMBERED).write_text(json.dumps(before))


def clear_node(instance: Instance, processes: Processes) -> None:
    """Undo all that a node did, whatever state it is in."""
    try:
        before = json.loads((instance.folder / REMEMBERED).read_text())
    except (OSError, ValueError):
        return  # it never came so far as to change anything
    # All at once and hard: neither the kubelet nor a shim gets to start something anew.
    processes.kill_all()
    cgroups.clear(instance)
    sockets = _shim_sockets(instance)
    _unmount_below(instance.folder)
    network.tear_down(instance.folder)
    network.IP_FORWARD.write_text(before["ip_forward"])
    for place in FIXED_PLACES:
        if str(place) not in before["existed"]:
            shutil.rmtree(place, ignore_errors=True)
    for socket in sockets:
        socket.unlink(missing_ok=True)
    _remove_links_into(instance.folder, Path("/var/log/containers"))
    for result in Path("/var/lib/cni/results").glob("fraudops-*"):
        result.unlink()


def _shim_sockets(instance: Instance) -> list[Path]:
    """Shims listen under /run/containerd/s, each known by an `address` file in its bundle."""
    addresses = (instance.folder / "containerd" / "run").glob(
        "io.containerd.runtime.v2.task/*/*/address"
    )
    return [Path(each.read_text().removeprefix("unix://")) for each in addresses]


def _unmount_below(folder: Path) -> None:
    for point in sorted(_mounts_below(folder), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    if left := _mounts_below(folder):
        # The folder is removed next, and with it what is mounted there: that may be anybody's.
        raise RuntimeError(f"these cannot be unmounted: {', '.join(left)}")


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # The kernel writes a space in a path as \\040.
    points = [
        re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), each.split()[4]) for each in lines
    ]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _remove_links_into(folder: Path, place: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for link in place.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(folder):
                link.unlink()
