"""Clusters built from Go modules on this machine, without Docker: see control_plane and node.

A tier of a release is an instance; several run side by side. A control plane is never that of a
node instance: there an installed operator may be at work, and tests run operators of their own. An
instance that is not wholly healthy is cleared and started anew, never mended.
"""

import json
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from tests.cluster import build, cleanup, prerequisites
from tests.cluster.api import Cluster, ClusterError, ProviderName
from tests.cluster.control_plane import LOOPBACK, ApiEndpoint, ControlPlane, answers, free_ports
from tests.cluster.locks import only_one
from tests.cluster.paths import TIERS, Instance, Release, Tier, release, releases, state_folder
from tests.cluster.pki import Pair
from tests.cluster.processes import ProcessError, Processes
from tests.cluster.progress import say, step
from tests.cluster.toolchain import ToolchainError

COMPLETE = "complete.json"
PATIENCE_SECONDS = 30.0
FAILURES = (
    ProcessError,
    build.BuildError,
    ToolchainError,
    RuntimeError,
    OSError,
    subprocess.CalledProcessError,
)


class Local:
    """The instances in the state folder."""

    name: ProviderName = "local"

    def missing(self, tier: Tier, version: str | None) -> str | None:
        try:
            wanted = release(version)
        except ValueError as error:
            return str(error)
        if tier == "node" and not wanted.has_node:
            return f"Kubernetes {wanted.minor} is built here as a control plane only"
        return prerequisites.lacking(tier)

    def ensure(self, tier: Tier, version: str | None) -> Cluster:
        wanted = release(version)
        instance = _instance(tier, wanted)
        with _locked(instance):
            if running := _running(instance):
                return running
            with step(f"cluster {instance.name}"):
                try:
                    _start(instance)
                except FAILURES as error:
                    raise ClusterError(
                        f"{instance.name} did not start: {error}\n"
                        f"Its logs are in {instance.logs}; the next `up` begins anew."
                    ) from error
            found = _running(instance, fresh=True)
            if found is None:
                raise ClusterError(f"{instance.name} died at once; its logs are in {instance.logs}")
            return found

    def find(self) -> list[Cluster]:
        return [cluster for each in _instances() if (cluster := _running(each))]

    def down(self, name: str | None = None) -> None:
        for instance in _instances():
            if name in (None, instance.name):
                with _locked(instance), step(f"removing cluster {instance.name}"):
                    cleanup.clear(instance)


def stale() -> list[str]:
    """Names of instances that left something behind but do not run."""
    return [each.name for each in _instances() if not _running(each)]


def _instance(tier: Tier, wanted: Release) -> Instance:
    return Instance(tier, wanted, state_folder())


def _instances() -> list[Instance]:
    every = [_instance(tier, each) for each in releases() for tier in TIERS]
    return [instance for instance in every if instance.folder.exists()]


def _locked(instance: Instance) -> AbstractContextManager[None]:
    """One at a time starts or stops an instance; the others wait and see what became of it."""
    return only_one(instance.lock, f"cluster {instance.name}")


def _start(instance: Instance) -> None:
    cleanup.clear(instance)
    if instance.tier == "node":
        # Imports what only root on Linux can use.
        from tests.cluster.node import Node

        node = Node(instance)
        with ThreadPoolExecutor() as pool:
            kube = pool.submit(build.kube, instance.release)
            node.build()
            kube_path = kube.result()
        began = time.monotonic()
        plane = ControlPlane(instance, kube_path, node.api_endpoint)
        node.start(plane, kube_path)
    else:
        kube_path = build.kube(instance.release)
        began = time.monotonic()
        plane = ControlPlane(instance, kube_path, ApiEndpoint(LOOPBACK, free_ports(1)[0]))
        plane.prepare()
        with step("etcd and API server"):
            plane.start_api()
        with step("controller manager and scheduler"):
            plane.start_controllers()
    links = instance.folder / "bin"
    links.mkdir(exist_ok=True)
    # An old server is what tests ask for, not an old kubectl.
    (links / "kubectl").symlink_to(build.kube(release(None)))
    (instance.folder / COMPLETE).write_text(
        json.dumps({"url": plane.endpoint.url, "processes": plane.processes.names()})
    )
    say(f"   {instance.name} was up {time.monotonic() - began:.1f} s after its binaries were there")


def _running(instance: Instance, fresh: bool = False) -> Cluster | None:
    """The cluster of an instance if every process lives and the API server says it is ready."""
    try:
        complete = json.loads((instance.folder / COMPLETE).read_text())
    except (OSError, ValueError):
        return None
    processes = Processes(instance.folder)
    pki = instance.folder / "pki"
    admin = Pair(pki / "client-admin.crt", pki / "client-admin.key")
    # A server on a machine that is short of CPU is slow, not dead.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not answers(f"{complete['url']}/readyz", pki / "ca.crt", admin):
        if time.monotonic() > deadline or not _all_live(processes, complete["processes"]):
            return None
        time.sleep(0.5)
    if not _all_live(processes, complete["processes"]):
        return None

    def config_for(user: str, groups: Sequence[str]) -> Path:
        address, port = complete["url"].removeprefix("https://").split(":")
        plane = ControlPlane(instance, kubectl, ApiEndpoint(address, int(port)))
        return plane.client_config(user, list(groups))

    def load(images: Sequence[str]) -> None:
        from tests.cluster.load import load_images

        load_images(instance, images)

    kubectl = instance.folder / "bin" / "kubectl"
    return Cluster(
        name=instance.name, provider="local", tier=instance.tier, version=instance.release.version,
        kubeconfig=instance.kubeconfig, context=instance.context, audit_log=instance.audit_log,
        kubectl_path=kubectl, fresh=fresh, _config_for=config_for,
        _load=load if instance.tier == "node" else None,
    )  # fmt: skip


def _all_live(processes: Processes, names: Sequence[str]) -> bool:
    return all(processes.pid(name) for name in names)
