"""The operator's configuration: one frozen value, made once at the edge from flags and environment.

A flag wins over its environment variable (`--lease-name`: `FRAUD_OPERATOR_LEASE_NAME`), which wins
over the default. Nothing deeper in the program reads either.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from fraud_operator.runtime import words

ENVIRONMENT_PREFIX = "FRAUD_OPERATOR_"


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it and what it may be."""


def _identity() -> str:
    return f"{socket.gethostname()}-{token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `fraud-operator run` can be told."""

    scorer_image: str
    """Image of scorer pods, for detectors that name none."""
    image_pull_policy: str = "IfNotPresent"
    redis_image: str = "redis"
    postgres_image: str = "postgres"
    """Without a tag: that is the version."""
    kubeconfig: str = ""
    context: str = ""
    namespaces: tuple[str, ...] = ()
    """Those looked after; empty: all."""
    leader_election: bool = True
    lease_namespace: str = ""
    """Empty: the pod's own namespace, or fraudops-system outside of one."""
    lease_name: str = "fraud-operator"
    identity: str = field(default_factory=_identity)
    workers: int = 16
    store_threads: int = 4
    sts_endpoint: str = ""
    """Where a ServiceAccount's token is exchanged for keys of a model store; empty: AWS."""
    google_provider: str = ""
    """Who Google knows the cluster's issuer as; empty: it does not."""
    google_sts_endpoint: str = ""
    google_iam_endpoint: str = ""
    listen: tuple[str, int] = ("", 8080)
    """Host (empty: all addresses) and port (0: any free one)."""
    log_level: str = "info"
    log_format: str = "json"
    relist_seconds: float = 750.0
    """Every kind is listed anew this often, give or take a fifth."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """One flag, its environment variable and how its text is read."""

    name: str
    help: str
    parse: Callable[[str], Any] = str
    metavar: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()


_SETTINGS = (
    _Setting("scorer_image", "image of scorer pods, for detectors that name none", words.image),
    _Setting(
        "image_pull_policy",
        "pull policy of scorer pods: Always, IfNotPresent or Never",
        words.one_of("Always", "IfNotPresent", "Never"),
        "POLICY",
    ),
    _Setting(
        "redis_image",
        "image of managed Redis without its tag, which is spec.redis.managed.version (default:"
        " redis)",
        words.repository,
    ),
    _Setting(
        "postgres_image",
        "image of managed Postgres without its tag, which is spec.postgres.managed.version"
        " (default: postgres)",
        words.repository,
    ),
    _Setting("kubeconfig", "path of a kubeconfig (default: the pod's own access, else kubectl's)"),
    _Setting("context", "context of the kubeconfig (default: its current one)"),
    _Setting(
        "namespaces",
        "look after these only, comma-separated (default: all)",
        words.namespaces,
        "NS,…",
    ),
    _Setting(
        "leader_election", "true or false: write only while holding the Lease", words.truth, "BOOL"
    ),
    _Setting(
        "lease_namespace",
        "namespace of the Lease (default: the pod's own, fraudops-system outside of one)",
        words.namespace,
    ),
    _Setting("lease_name", "name of the Lease", words.object_name),
    _Setting(
        "identity", "this process' name in the Lease (default: the host's, and a random part)"
    ),
    _Setting("workers", "how many detectors are worked on at once", words.count(1000), "N"),
    _Setting(
        "store_threads", "how many model stores are looked at at once", words.count(1000), "N"
    ),
    _Setting(
        "sts_endpoint",
        "URL where a ServiceAccount's token is exchanged for a model store's keys (default: AWS)",
        metavar="URL",
    ),
    _Setting(
        "google_provider",
        "who Google knows this cluster as: the audience of its workload identity provider",
        metavar="AUDIENCE",
    ),
    _Setting(
        "google_sts_endpoint",
        "URL where a ServiceAccount's token is exchanged at Google (default: Google's own)",
        metavar="URL",
    ),
    _Setting(
        "google_iam_endpoint",
        "URL where a token of a Google service account is asked for (default: Google's own)",
        metavar="URL",
    ),
    _Setting(
        "listen", "address of /healthz and /metrics, :8080 by default", words.address, "HOST:PORT"
    ),
    _Setting(
        "log_level",
        "debug, info, warning, error",
        words.one_of("debug", "info", "warning", "error"),
    ),
    _Setting("log_format", "json or text", words.one_of("json", "text")),
    _Setting("relist_seconds", "how often every kind is listed anew", words.seconds, "SECONDS"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting."""
    for setting in _SETTINGS:
        parser.add_argument(
            setting.flag,
            dest=setting.name,
            metavar=setting.metavar or setting.name.rpartition("_")[2].upper(),
            help=f"{setting.help} [{setting.variable}]",
        )


def from_arguments(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings. Raises SettingsError, naming the flag or the variable that is wrong."""
    values: dict[str, Any] = {}
    for setting in _SETTINGS:
        given: Sequence[tuple[str, str | None]] = (
            (setting.flag, getattr(arguments, setting.name, None)),
            (setting.variable, environ.get(setting.variable) or None),
        )
        for source, text in given:
            if text is None:
                continue
            try:
                values[setting.name] = setting.parse(text)
            except ValueError as error:
                raise SettingsError(f"{source} {error}") from None
            break
    if not values.get("scorer_image"):
        raise SettingsError(
            "no scorer image: give --scorer-image IMAGE or set FRAUD_OPERATOR_SCORER_IMAGE"
        )
    return Settings(**values)
