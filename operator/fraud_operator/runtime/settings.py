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


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {text!r}")
        return text

    return parse


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise ValueError(f"must be a whole number from 1 to 1000, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 86400:
        raise ValueError(f"must be a number of seconds from 1 to 86400, not {text!r}")
    return value


def _truth(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"must be host:port or :port, not {text!r}")
    return host.strip("[]"), int(port)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


_SETTINGS = (
    _Setting("scorer_image", "image of scorer pods, for detectors that name none"),
    _Setting(
        "image_pull_policy",
        "pull policy of scorer pods: Always, IfNotPresent or Never",
        _one_of("Always", "IfNotPresent", "Never"),
        "POLICY",
    ),
    _Setting("kubeconfig", "path of a kubeconfig (default: the pod's own access, else kubectl's)"),
    _Setting("context", "context of the kubeconfig (default: its current one)"),
    _Setting("namespaces", "look after these only, comma-separated (default: all)", _names, "NS,…"),
    _Setting(
        "leader_election", "true or false: write only while holding the Lease", _truth, "BOOL"
    ),
    _Setting(
        "lease_namespace",
        "namespace of the Lease (default: the pod's own, fraudops-system outside of one)",
    ),
    _Setting("lease_name", "name of the Lease"),
    _Setting(
        "identity", "this process' name in the Lease (default: the host's, and a random part)"
    ),
    _Setting("workers", "how many detectors are worked on at once", _count, "N"),
    _Setting("store_threads", "how many model stores are looked at at once", _count, "N"),
    _Setting(
        "sts_endpoint",
        "URL where a ServiceAccount's token is exchanged for a model store's keys (default: AWS)",
        metavar="URL",
    ),
    _Setting("listen", "address of /healthz and /metrics, :8080 by default", _address, "HOST:PORT"),
    _Setting(
        "log_level", "debug, info, warning, error", _one_of("debug", "info", "warning", "error")
    ),
    _Setting("log_format", "json or text", _one_of("json", "text")),
    _Setting("relist_seconds", "how often every kind is listed anew", _seconds, "SECONDS"),
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
