"""The network of the node: a bridge that pods hang on, and a filter that keeps them inside.

The host has the first address of the pod network on the bridge; API server and kubelet listen
there. Pods talk to each other, to Services and to the host, and to nobody else: what would be
forwarded between the bridge and any other device is refused at once.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import SERVICE_CIDR

BRIDGE = "fraudops0"
HOST_ADDRESS = "10.244.0.1"
POD_CIDR = "10.244.0.0/16"
PREFIX = POD_CIDR.partition("/")[2]
FILTER_TABLE = ("inet", "fraudops")
#: kube-proxy's own tables have these names and cannot be given others.
PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")

_FILTER = f"""
table {" ".join(FILTER_TABLE)} {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "{BRIDGE}" oifname != "{BRIDGE}" reject
    iifname != "{BRIDGE}" oifname "{BRIDGE}" drop
  }}
}}
"""


def owner() -> str:
    """The state folder of the instance that the bridge belongs to; "" where that is nobody's."""
    links = _links(BRIDGE)
    return str(links[0].get("ifalias", "")) if links else ""


def set_up(folder: Path, ipam: Path, cni_config: Path) -> None:
    """Make the bridge of the instance in `folder`, routes and filter, and configure the plugins."""
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("link", "set", BRIDGE, "alias", str(folder))
    _ip("address", "add", f"{HOST_ADDRESS}/{PREFIX}", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    # Also where the machine has no default route, and never through it.
    _ip("route", "add", SERVICE_CIDR, "dev", BRIDGE, "src", HOST_ADDRESS)
    IP_FORWARD.write_text("1")
    subprocess.run(["nft", "-f", "-"], input=_FILTER, text=True, check=True)
    plugin = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(ipam),
            "ranges": [[{"subnet": POD_CIDR, "gateway": HOST_ADDRESS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    cni_config.mkdir(parents=True, exist_ok=True)
    (cni_config / "10-fraudops.conflist").write_text(
        json.dumps({"cniVersion": "0.4.0", "name": "fraudops", "plugins": [plugin]}, indent=1)
    )


def tear_down(folder: Path) -> None:
    """Remove nft tables and bridge, whatever is there, unless they are of another instance."""
    if owner() not in ("", str(folder)):
        return
    for family, table in (FILTER_TABLE, *PROXY_TABLES):
        listing = ["nft", "list", "table", family, table]
        if subprocess.run(listing, capture_output=True, check=False).returncode == 0:
            subprocess.run(["nft", "delete", "table", family, table], check=True)
    # Last, for it says whose all this is.
    if _links(BRIDGE):
        for port in _links("master", BRIDGE):
            # A veth also goes by itself, once the last process of its namespace has ended.
            subprocess.run(
                ["ip", "link", "delete", port["ifname"]], capture_output=True, check=False
            )
        _ip("link", "delete", BRIDGE)


def _links(*which: str) -> list[dict[str, Any]]:
    """Devices as `ip` sees them: /sys may be that of another network namespace."""
    command = ["ip", "-json", "link", "show", *which]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    links = json.loads(result.stdout or "[]") if result.returncode == 0 else []
    return [link for link in links if link]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
