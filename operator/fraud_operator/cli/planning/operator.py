"""What a plan needs to know of the operator that is going to carry it out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fraud_operator.cli import crds
from fraud_operator.cli.access import Access
from fraud_operator.cli.installation import Installation, installation
from fraud_operator.plan.types import OperatorDefaults
from fraud_operator.runtime.kube import ApiError

UNKNOWN_IMAGE = "unknown.invalid/scorer"
"""Stands for the default image where nobody knows it."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The one that is installed, or an idea of it."""

    defaults: OperatorDefaults
    namespaces: tuple[str, ...]
    """Those it looks after; empty: all."""
    assumed: tuple[str, ...]


async def operator(api: Access, namespace: str, scorer_image: str) -> Operator:
    """The operator in that namespace; `scorer_image` wins over what it says. Raises ApiError."""
    assumed: list[str] = []
    found: Installation | None = None
    try:
        found = await installation(api.kube, namespace)
        if found is None:
            assumed.append(
                f"There is no operator in namespace {namespace} (--operator-namespace names"
                " another). Assumed: one of this build runs elsewhere, or is going to."
            )
    except ApiError as error:
        if error.status != 403:
            raise
        assumed.append(
            f"The operator could not be looked at ({error.message}). Assumed: it is of this build,"
            " and looks after this namespace."
        )
    assumed += await _other_builds(api)
    image = scorer_image or (found.scorer_image if found else "")
    defaults = OperatorDefaults(image or UNKNOWN_IMAGE)
    if found is not None:
        defaults = replace(
            defaults,
            image_pull_policy=found.image_pull_policy,
            redis_image=found.redis_image,
            postgres_image=found.postgres_image,
        )
    return Operator(
        defaults,
        found.namespaces if found else (),
        tuple(assumed),
    )


async def _other_builds(api: Access) -> list[str]:
    """Another build of the operator may plan otherwise; its CRD is what shows."""
    said = []
    for name, path in crds.paths().items():
        try:
            live = await api.get(path)
        except ApiError as error:
            if error.status != 403:
                raise
            continue
        if live is not None and not (compared := crds.compare(live)).same:
            said.append(
                f"The CRD {name} in the cluster is of another build than this kubectl-fraud"
                f" ({compared}). Assumed: the operator there plans as this build does."
            )
    return said
