"""The operator's writes, rehearsed: its own applier, against a client that only asks.

Each write is a dry run, so the API server defaults, validates and admits it as if it were meant,
and nothing is stored. One thing follows from that: a write does not see what an earlier one of the
same rehearsal would have stored. Where the operator's do build on one another, which is with the
number of replicas that is held for an autoscaler, `Rehearsal` remembers in the server's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraud_operator.plan.types import ChildKey
from fraud_operator.runtime.kinds import Kind
from fraud_operator.runtime.kube import FIELD_MANAGER, ApiError, Kube, Object

NO_DRY_RUN = "does not support dry run"
"""What the API server says where an admission webhook has side effects."""


class Rehearsal:
    """Implements `Kube` upon a client that stores nothing; `made` is what there would be."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self.made: dict[ChildKey, Object] = {}
        self.unchecked: list[str] = []
        """What the user may not try."""
        self._held: dict[ChildKey, int] = {}

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """As it is."""
        return await self._kube.get(kind, namespace, name)

    async def list(
        self, kind: Kind, namespace: str | None, *, label_selector: str = ""
    ) -> tuple[list[Object], str]:
        """As it is."""
        return await self._kube.list(kind, namespace, label_selector=label_selector)

    async def apply(
        self, manifest: Mapping[str, Any], *, manager: str = FIELD_MANAGER, force: bool
    ) -> Object:
        """As it would be."""
        child = (manifest["kind"], manifest["metadata"]["name"])
        if manager != FIELD_MANAGER:
            return await self._hold(child, manifest, manager, force=force)
        made = await self._kube.apply(manifest, manager=manager, force=force)
        if child in self._held and "replicas" not in manifest["spec"]:
            made["spec"]["replicas"] = self._held[child]
        self.made[child] = made
        return made

    async def _hold(
        self, child: ChildKey, manifest: Mapping[str, Any], manager: str, *, force: bool
    ) -> Object:
        """The second manager takes hold of replicas: before our own apply, or after it."""
        count = self._held.setdefault(child, manifest["spec"]["replicas"])
        made = self.made.get(child)
        if made is None:
            return await self._kube.apply(manifest, manager=manager, force=force)
        made["spec"]["replicas"] = count
        return made

    async def patch_status(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], resource_version: str
    ) -> Object:
        """As it would be."""
        return await self._kube.patch_status(kind, namespace, name, patch, resource_version)

    async def patch_labels(
        self, kind: Kind, namespace: str, name: str, labels: Mapping[str, str | None], *, uid: str
    ) -> Object:
        """As it would be."""
        return await self._kube.patch_labels(kind, namespace, name, labels, uid=uid)

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], *, uid: str
    ) -> Object:
        """As it would be."""
        made = await self._kube.merge(kind, namespace, name, patch, uid=uid)
        self.made[kind.kind, name] = made
        return made

    async def create(
        self, manifest: Mapping[str, Any], *, subresource_of: tuple[Kind, str, str] | None = None
    ) -> Object:
        """As it would be."""
        return await self._kube.create(manifest, subresource_of=subresource_of)

    async def update(self, manifest: Mapping[str, Any], *, deadline: float) -> Object:
        """As it would be."""
        return await self._kube.update(manifest, deadline=deadline)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str = "",
        orphan: bool = False,
    ) -> None:
        """Whether it could be."""
        try:
            await self._kube.delete(
                kind, namespace, name, uid=uid, resource_version=resource_version, orphan=orphan
            )
        except ApiError as error:
            if error.status != 403 and NO_DRY_RUN not in error.message:
                raise
            self.unchecked.append(
                f"Whether {kind} {name} can be deleted was not checked: {error.message}"
            )
