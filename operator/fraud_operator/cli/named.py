"""The one FraudDetector that a command is about, by the name that was typed."""

from __future__ import annotations

import re

from fraud_operator.cli.access import Access
from fraud_operator.cli.exits import Exit, Failure
from fraud_operator.runtime.kinds import FRAUD_DETECTOR
from fraud_operator.runtime.kube import Object

_NAME = r"[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?"
"""What the API server takes in a path and in a selector; `fd/cards` is neither."""


def checked(name: str) -> str:
    """The name, where it can be one. Raises Failure."""
    if not re.fullmatch(_NAME, name):
        raise Failure(
            f"{name!r} cannot be the name of a FraudDetector: give the name alone, such as cards;"
            " kubectl get frauddetectors -A lists them"
        )
    return name


async def detector_named(api: Access, name: str) -> Object:
    """The detector of a checked name. Raises Failure where there is none, and ApiError."""
    found = await api.get(FRAUD_DETECTOR.path(api.namespace, name))
    if found is None:
        raise Failure(await absent(api, name), Exit.NOT_FOUND)
    return found


async def absent(api: Access, name: str) -> str:
    """Why there is none, and what to do."""
    if await api.get(f"/apis/{FRAUD_DETECTOR.group}/{FRAUD_DETECTOR.version}") is None:
        return (
            f"the cluster knows no {FRAUD_DETECTOR.plural}: install the operator, or choose another"
            " cluster with --context"
        )
    return (
        f"there is no FraudDetector {name} in namespace {api.namespace}:"
        " kubectl get frauddetectors -A lists them"
    )
