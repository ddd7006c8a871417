"""Where the test clusters keep things, all of it outside the work tree.

The cache outlives clusters (binaries, image layers). The state folder of an instance holds
everything that a running cluster owns: keys, etcd's data, logs, pid files, containerd's and the
kubelet's folders, volumes. `down` removes it whole.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Tier = Literal["control-plane", "node"]
TIERS: tuple[Tier, ...] = ("control-plane", "node")

PACKAGE = Path(__file__).parent
GO = PACKAGE / "go"


def cache_folder() -> Path:
    """$FRAUDOPS_CACHE or ~/.cache/fraudops."""
    return Path(os.environ.get("FRAUDOPS_CACHE") or Path.home() / ".cache" / "fraudops")


def state_folder() -> Path:
    """$FRAUDOPS_STATE, or /var/lib/fraudops-cluster (root), or ~/.local/state/fraudops."""
    if chosen := os.environ.get("FRAUDOPS_STATE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/fraudops-cluster")
    return Path.home() / ".local" / "state" / "fraudops"


@dataclass(frozen=True)
class Release:
    """A Kubernetes that can be built here. `minor` is "1.36", `version` "v1.36.3"."""

    minor: str
    version: str
    has_node: bool

    @property
    def module(self) -> Path:
        """The folder with this release's go.mod and go.sum."""
        return GO / self.minor


def releases() -> list[Release]:
    """Every release with a Go module under go/, newest first."""
    found = []
    for folder in GO.iterdir():
        module = folder / "go.mod"
        if not module.is_file():
            continue
        text = module.read_text()
        version = re.search(r"^\s*k8s\.io/kubernetes (v\S+)$", text, re.MULTILINE)
        if version is None:
            continue
        has_node = "github.com/coredns/coredns " in text
        found.append(Release(folder.name, version[1], has_node))
    return sorted(found, key=lambda each: [int(n) for n in each.minor.split(".")], reverse=True)


def release(minor: str | None) -> Release:
    """The release named "1.34", "v1.34" or "v1.34.4", or the newest for None.

    Raises ValueError naming what there is.
    """
    known = releases()
    if minor is None:
        return known[0]
    wanted = ".".join(minor.removeprefix("v").split(".")[:2])
    for each in known:
        if each.minor == wanted:
            return each
    raise ValueError(
        f"Kubernetes {minor} is not among {', '.join(each.minor for each in known)}"
        " (a folder with go.mod and go.sum under tests/cluster/go adds one)"
    )


@dataclass(frozen=True)
class Instance:
    """One local cluster: a tier of a release, with a state folder of its own."""

    tier: Tier
    release: Release
    base: Path

    @property
    def name(self) -> str:
        return f"{self.tier}-{self.release.minor}"

    @property
    def folder(self) -> Path:
        return self.base / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def context(self) -> str:
        return f"fraudops-{self.name}"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def lock(self) -> Path:
        return self.base / f"{self.name}.lock"
