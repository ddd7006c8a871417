"""Everything that the checks go by, asked at once. Reads, and reviews of permissions; no writes."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from fraud_operator.cli import crds
from fraud_operator.cli.access import METADATA_ONLY, Access
from fraud_operator.cli.doctor.check import Answer, Denied
from fraud_operator.cli.doctor.rights import Rights, rights_of_operator, rights_of_user
from fraud_operator.cli.installation import Installation, installation
from fraud_operator.install.objects import NAME
from fraud_operator.observe.projection import whole
from fraud_operator.observe.store import DETECTOR_LABEL, Key, ObjectStore
from fraud_operator.runtime.kinds import CHILDREN, FRAUD_DETECTOR, LEASE, POD, Kind
from fraud_operator.runtime.kube import ApiError, Object

T = TypeVar("T")
_METRICS = "metrics.k8s.io"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What there is beside detectors."""

    version: Object
    groups: frozenset[str]
    """API groups that are served."""
    metrics_service: Answer[Object]
    metrics_answer: str
    """Why metrics cannot be asked for; empty where they can."""
    storage_classes: Answer[Sequence[Object]]
    ingress_classes: Answer[Sequence[Object]]
    crds: Mapping[str, Answer[Object]]
    operator_namespace: str
    operator: Answer[Installation]
    lease: Answer[Object]
    server_time: datetime
    operator_rights: Answer[Rights]
    """None without an operator."""
    user_rights: Rights
    zones: Answer[Mapping[str, str]]
    """Of every node; empty where it has none."""
    detectors: Answer[Sequence[DetectorFacts]]


@dataclass(frozen=True, slots=True)
class DetectorFacts:
    """One detector and what belongs to it."""

    key: Key
    obj: Object
    children: Mapping[tuple[str, str], Object]
    pods: Sequence[Object]
    unseen: Mapping[str, str]
    """Kinds that the user may not read, with the reason."""
    zones: Answer[Mapping[str, str]]
    server_time: datetime

    def child(self, kind: str) -> Object | None:
        """The scorer's child of that kind."""
        return self.children.get((kind, f"{self.key.name}-scorer"))

    @property
    def spec(self) -> Mapping[str, Any]:
        """As the user wrote it."""
        spec: Mapping[str, Any] = self.obj.get("spec") or {}
        return spec

    @property
    def status(self) -> Mapping[str, Any]:
        """As the operator wrote it; empty before the first time."""
        status: Mapping[str, Any] = self.obj.get("status") or {}
        return status

    def condition(self, type_: str) -> Mapping[str, Any]:
        """A condition; empty where there is none."""
        for one in self.status.get("conditions") or ():
            if one["type"] == type_:
                found: Mapping[str, Any] = one
                return found
        return {}


async def gather(api: Access, arguments: argparse.Namespace) -> ClusterFacts:
    """Ask. Raises ApiError where it is not only a right that is missing."""
    namespace = None if arguments.all_namespaces else api.namespace
    where = arguments.operator_namespace
    version, groups, service, metrics = await asyncio.gather(
        api.get("/version"),
        api.get("/apis"),
        _may(api.get(f"/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.{_METRICS}")),
        _why_not(api.get(f"/apis/{_METRICS}/v1beta1")),
    )
    storage, ingress, found, zones = await asyncio.gather(
        _items(api, "/apis/storage.k8s.io/v1/storageclasses"),
        _items(api, "/apis/networking.k8s.io/v1/ingressclasses"),
        _may(installation(api.kube, where)),
        _zones(api),
    )
    lease = found.lease if isinstance(found, Installation) else (where, NAME)
    seen, lease_obj, operator_rights, user_rights = await asyncio.gather(
        _detectors(api, namespace, zones),
        _may(api.kube.get(LEASE, *lease)),
        _operator_rights(api, found),
        rights_of_user(api, namespace),
    )
    paths = crds.paths()
    definitions = await asyncio.gather(*(_may(api.get(path)) for path in paths.values()))
    return ClusterFacts(
        version=version or {},
        groups=frozenset(group["name"] for group in (groups or {}).get("groups", ())),
        metrics_service=service,
        metrics_answer=metrics,
        storage_classes=storage,
        ingress_classes=ingress,
        crds=dict(zip(paths, definitions, strict=True)),
        operator_namespace=where,
        operator=found,
        lease=lease_obj,
        server_time=api.server_time,
        operator_rights=operator_rights,
        user_rights=user_rights,
        zones=zones,
        detectors=seen,
    )


async def _may(asking: Awaitable[T | None]) -> Answer[T]:
    """The answer, or that the user may not ask."""
    try:
        return await asking
    except ApiError as error:
        if error.status != 403:
            raise
        return Denied(error.message)


async def _why_not(asking: Awaitable[Object | None]) -> str:
    """Why there is no answer; empty where there is one."""
    try:
        return "" if await asking is not None else "nobody serves it"
    except ApiError as error:
        return error.message


async def _items(api: Access, path: str) -> Answer[Sequence[Object]]:
    found = await _may(api.get(path))
    return found if isinstance(found, Denied) else (found or {}).get("items") or []


async def _zones(api: Access) -> Answer[Mapping[str, str]]:
    found = await _may(api.get("/api/v1/nodes", accept=METADATA_ONLY))
    if found is None or isinstance(found, Denied):
        return found
    label = "topology.kubernetes.io/zone"
    return {
        node["metadata"]["name"]: (node["metadata"].get("labels") or {}).get(label, "")
        for node in found.get("items") or ()
    }


async def _operator_rights(api: Access, found: Answer[Installation]) -> Answer[Rights]:
    if found is None or isinstance(found, Denied):
        return found
    return await rights_of_operator(api, found)


async def _detectors(
    api: Access, namespace: str | None, zones: Answer[Mapping[str, str]]
) -> Answer[Sequence[DetectorFacts]]:
    store = ObjectStore(keep=whole)
    unseen: dict[str, str] = {}

    async def collect(kind: Kind) -> None:
        selector = "" if kind == FRAUD_DETECTOR else DETECTOR_LABEL
        try:
            objects, _ = await api.kube.list(kind, namespace, label_selector=selector)
        except ApiError as error:
            if error.status not in (403, 404):  # 404: the CRD is not installed
                raise
            unseen[kind.kind] = error.message
            return
        for obj in objects:
            store.put(kind, obj)

    await asyncio.gather(*(collect(kind) for kind in (FRAUD_DETECTOR, *CHILDREN, POD)))
    if FRAUD_DETECTOR.kind in unseen:
        return Denied(unseen[FRAUD_DETECTOR.kind])
    return [
        DetectorFacts(
            key=key,
            obj=obj,
            children=store.children(key),
            pods=store.pods(key),
            unseen=unseen,
            zones=zones,
            server_time=api.server_time,
        )
        for key in sorted(store.detectors())
        if (obj := store.detector(key)) is not None
    ]
