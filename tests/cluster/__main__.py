"""The command `python -m tests.cluster`: up, down, status, load, build, kubeconfig."""

import argparse
import sys
from collections.abc import Sequence

from tests.cluster import prerequisites
from tests.cluster.api import Cluster, ClusterError, ensure, providers
from tests.cluster.build import BuildError
from tests.cluster.paths import TIERS
from tests.cluster.progress import say
from tests.cluster.tools import PACKAGES, tool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 with the reason on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ClusterError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; `python -m tests.cluster down` clears what is left")
        return 130


def _prerequisites(_options: argparse.Namespace) -> int:
    prerequisites.ask_once()
    return 0


def _up(options: argparse.Namespace) -> int:
    cluster = ensure(options.tier, options.kubernetes)
    print(f"{cluster.name}: Kubernetes {cluster.version} is running")
    print(f"  export KUBECONFIG={cluster.kubeconfig}")
    print(f"  export PATH={cluster.kubectl_path.parent}:$PATH   # kubectl")
    print("  python -m tests.cluster down   removes it")
    return 0


def _down(options: argparse.Namespace) -> int:
    for provider in providers():
        provider.down(options.name)
    return 0


def _status(options: argparse.Namespace) -> int:
    running = [cluster for provider in providers() for cluster in provider.find()]
    for cluster in running:
        print(f"{cluster.name}\trunning\t{cluster.tier}\t{cluster.version}\t{cluster.kubeconfig}")
    from tests.cluster.providers.local import stale

    for name in stale():
        print(f"{name}\tnot running, or starting: `up` starts it anew, `down` clears it")
    if not running:
        print("no cluster is running: `python -m tests.cluster up` starts one")
    return 0 if running else 1


def _load(options: argparse.Namespace) -> int:
    _running_node().load(*options.images)
    return 0


def _kubeconfig(options: argparse.Namespace) -> int:
    running = [cluster for provider in providers() for cluster in provider.find()]
    if options.name:
        running = [cluster for cluster in running if cluster.name == options.name]
    if not running:
        raise ClusterError("no such cluster is running: `python -m tests.cluster up` starts one")
    running.sort(key=lambda cluster: cluster.tier != "node")
    cluster = running[0]
    path = cluster.kubeconfig
    if options.user:
        path = cluster.kubeconfig_for(options.user, options.group)
    print(path)
    return 0


def _running_node() -> Cluster:
    for provider in providers():
        for cluster in provider.find():
            if cluster.tier == "node":
                return cluster
    raise ClusterError("no cluster with a node is running: `python -m tests.cluster up` starts one")


def _build(options: argparse.Namespace) -> int:
    from tests.cluster.images import build

    try:
        names = build(options.names)
    except BuildError as error:
        raise ClusterError(str(error)) from error
    say(f"images up to date: {', '.join(names)}")
    return 0


def _tool(options: argparse.Namespace) -> int:
    try:
        print(tool(options.name))
    except KeyError as error:
        raise ClusterError(str(error.args[0])) from error
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    ready = commands.add_parser("prerequisites", help="install system packages, with consent")
    ready.set_defaults(run=_prerequisites)

    up = commands.add_parser("up", help="start a cluster, or find the one that runs")
    up.add_argument("--tier", choices=TIERS, default="node")
    up.add_argument("--kubernetes", metavar="1.34", help="a minor release; default: the newest")
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="remove clusters and all that they left")
    down.add_argument("name", nargs="?", help="as `status` lists it; default: all")
    down.set_defaults(run=_down)

    status = commands.add_parser("status", help="list clusters; fails when none runs")
    status.set_defaults(run=_status)

    load = commands.add_parser("load", help="bring images into the running cluster")
    load.add_argument("images", nargs="+", metavar="IMAGE")
    load.set_defaults(run=_load)

    build = commands.add_parser("build", help="build the project's images")
    build.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="default: operator scorer bucket; also: redis postgres",
    )
    build.set_defaults(run=_build)

    kubeconfig = commands.add_parser("kubeconfig", help="print the path of a kubeconfig")
    kubeconfig.add_argument("name", nargs="?", help="as `status` lists it")
    kubeconfig.add_argument("--user", help="of this user instead of the administrator")
    kubeconfig.add_argument("--group", action="append", default=[])
    kubeconfig.set_defaults(run=_kubeconfig)

    tool = commands.add_parser("tool", help="build a tool when needed and print its path")
    tool.add_argument("name", help=", ".join(PACKAGES))
    tool.set_defaults(run=_tool)
    return parser


if __name__ == "__main__":
    sys.exit(main())
