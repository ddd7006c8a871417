"""Who may do what, by the API server's own word, rule by rule of what `install.objects` grants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fraud_operator.cli.access import Access
from fraud_operator.cli.installation import Installation
from fraud_operator.install import objects
from fraud_operator.runtime.kinds import CHILDREN, FRAUD_DETECTOR, POD, SECRET, Kind
from fraud_operator.runtime.kube import ApiError

_REVIEWS = "/apis/authorization.k8s.io/v1"
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource, in a namespace or (empty) in all of them."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str

    def __str__(self) -> str:
        name = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        full = f"{name}.{self.group}" if self.group else name
        return f"{self.verb} {full} in {self.namespace or 'all namespaces'}"


@dataclass(frozen=True, slots=True)
class Rights:
    """What was asked about, and what of it is not allowed."""

    who: str
    asked: int
    missing: Sequence[Right]
    unasked: str = ""
    """Why nothing could be asked."""


async def rights_of_operator(api: Access, operator: Installation) -> Rights:
    """Whether the operator's ServiceAccount has what its ClusterRole is to give it."""
    watched = operator.namespaces or ("",)
    wanted = [right for at in watched for right in _granted(objects.cluster_role(), at)]
    namespace, _ = operator.lease
    options = objects.Options(namespace=namespace, image="", scorer_image="")
    wanted += _granted(objects.lease_role(options), namespace)
    return await _reviewed(api, wanted, operator.user)


async def rights_of_user(api: Access, namespace: str | None) -> Rights:
    """Whether the user may do what `kubectl fraud status` and `plan` ask for."""
    wanted = [_right("get", FRAUD_DETECTOR, namespace), _right("list", FRAUD_DETECTOR, namespace)]
    wanted += [_right(verb, FRAUD_DETECTOR, namespace) for verb in ("create", "patch")]
    for kind in CHILDREN:
        wanted += [_right(verb, kind, namespace) for verb in ("list", "create", "patch", "delete")]
    wanted += [_right("list", POD, namespace), _right("get", SECRET, namespace)]
    return await _reviewed(api, wanted, "")


def _right(verb: str, kind: Kind, namespace: str | None) -> Right:
    return Right(verb, kind.group, kind.plural, "", namespace or "")


def _granted(role: Mapping[str, Any], namespace: str) -> Iterator[Right]:
    """Every single right that the role gives."""
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for name in rule["resources"]:
                resource, _, subresource = name.partition("/")
                for verb in rule["verbs"]:
                    yield Right(verb, group, resource, subresource, namespace)


async def _reviewed(api: Access, wanted: Sequence[Right], user: str) -> Rights:
    """`user` is empty for whoever asks."""
    enough = asyncio.Semaphore(_AT_ONCE)

    async def allowed(right: Right) -> bool:
        async with enough:
            return await _allowed(api, right, user)

    try:
        answers = await asyncio.gather(*map(allowed, wanted))
    except ApiError as error:
        if error.status != 403:
            raise
        return Rights(user or "you", 0, (), unasked=error.message)
    return Rights(user or "you", len(wanted), list(_refused(wanted, answers)))


def _refused(wanted: Iterable[Right], answers: Iterable[bool]) -> Iterator[Right]:
    return (right for right, allowed in zip(wanted, answers, strict=True) if not allowed)


async def _allowed(api: Access, right: Right, user: str) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": right.namespace,
    }
    kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
    spec: dict[str, Any] = {"resourceAttributes": attributes}
    if user:
        _, _, namespace, _ = user.split(":")
        accounts = "system:serviceaccounts"
        groups = [accounts, f"{accounts}:{namespace}", "system:authenticated"]
        spec |= {"user": user, "groups": groups}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = await api.review(f"{_REVIEWS}/{kind.lower()}s", review)
    return bool(answer["status"].get("allowed"))
