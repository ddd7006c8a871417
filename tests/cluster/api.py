"""What a test gets: a Cluster, from whichever provider can give one.

Providers are asked in a fixed order: an existing cluster (only when
FRAUDOPS_USE_EXISTING_CLUSTER=true), kind (where a Docker engine answers), and a local one built
from Go modules.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from tests.cluster.paths import Tier

ProviderName = Literal["existing", "kind", "local"]


class ClusterError(Exception):
    """There is no cluster to be had; the message says what is missing and what would give it."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `version` is the server's ("v1.36.3"); not all have an audit log."""

    name: str
    provider: ProviderName
    tier: Tier
    version: str
    kubeconfig: Path
    context: str
    audit_log: Path | None
    kubectl_path: Path
    #: True when the call that returned this started it, rather than found it running.
    fresh: bool = field(default=False, compare=False)
    _load: Callable[[Sequence[str]], None] | None = field(default=None, repr=False, compare=False)
    _config_for: Callable[[str, Sequence[str]], Path] | None = field(
        default=None, repr=False, compare=False
    )

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, in which `kubectl` is found and means this cluster."""
        path = f"{self.kubectl_path.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:
        """Run kubectl as administrator and return its standard output.

        Raises ClusterError with standard error when it fails; with check=False the two streams are
        returned together instead, whatever the exit code.
        """
        result = subprocess.run(
            [str(self.kubectl_path), "--context", self.context, *args],
            input=input, capture_output=True, text=True, check=False, env=self.environment,
        )  # fmt: skip
        if not check:
            return result.stdout + result.stderr
        if result.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(args)}: {result.stderr.strip()}")
        return result.stdout

    def load(self, *images: str) -> None:
        """Bring images of this machine's builder into the cluster, but for those it has."""
        if self._load is None:
            raise ClusterError(f"{self.name} runs no pods, so it takes no images")
        self._load(images)

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig of somebody else, with a client certificate of the cluster's authority.

        Only local clusters have it: of others the authority's key is not at hand.
        """
        if self._config_for is None:
            raise ClusterError(f"{self.provider} clusters give no certificates for other users")
        return self._config_for(user, groups)


class Provider(Protocol):
    """One way to get a cluster."""

    name: ProviderName

    def missing(self, tier: Tier, version: str | None) -> str | None:
        """None when it can give such a cluster, otherwise why not and what would change that."""

    def ensure(self, tier: Tier, version: str | None) -> Cluster:
        """The cluster, running; started when it is not. Raises ClusterError."""

    def find(self) -> list[Cluster]:
        """The clusters of this provider which run now."""

    def down(self, name: str | None = None) -> None:
        """Remove the cluster of that name, or all, with everything they left on the machine."""


def providers() -> list[Provider]:
    """In the order in which they are asked. An existing cluster excludes all others."""
    # Here, because the providers import this module.
    from tests.cluster.providers.existing import Existing
    from tests.cluster.providers.kind import Kind
    from tests.cluster.providers.local import Local

    if os.environ.get("FRAUDOPS_USE_EXISTING_CLUSTER", "").lower() == "true":
        return [Existing()]
    return [Kind(), Local()]


def ensure(tier: Tier = "node", version: str | None = None) -> Cluster:
    """A running cluster of at least that tier, started when there is none.

    `version` is a minor release such as "1.34"; None takes what the provider likes best. Raises
    ClusterError with one line for each provider that cannot give one.
    """
    reasons = []
    for provider in providers():
        reason = provider.missing(tier, version)
        if reason is None:
            return provider.ensure(tier, version)
        reasons.append(f"{provider.name}: {reason}")
    raise ClusterError("No cluster can be had here.\n" + "\n".join(reasons))
