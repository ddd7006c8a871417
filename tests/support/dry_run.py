"""Dry runs against the API server in memory: what `kubectl fraud plan` asks, answered."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from fraud_operator.runtime.kinds import FRAUD_DETECTOR, Kind
from fraud_operator.runtime.kube import FIELD_MANAGER, Object
from tests.support.kube import FakeKube, merged


class DryRuns:
    """Implements `Kube` like a client with `dry_run`: each write goes to a copy, which is lost."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube

    def forked(self) -> FakeKube:
        """The cluster as it is, to be written to."""
        fork = FakeKube()
        fork.objects = copy.deepcopy(self._kube.objects)
        fork._versions = copy.deepcopy(self._kube._versions)
        return fork

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return await self._kube.get(kind, namespace, name)

    async def list(
        self, kind: Kind, namespace: str | None, *, label_selector: str = ""
    ) -> tuple[list[Object], str]:
        return await self._kube.list(
            kind, namespace, label_selector=label_selector.partition("=")[0]
        )

    async def apply(
        self, manifest: Mapping[str, Any], *, manager: str = FIELD_MANAGER, force: bool
    ) -> Object:
        return await self.forked().apply(manifest, manager=manager, force=force)

    async def patch_status(self, *arguments: Any) -> Object:
        return await self.forked().patch_status(*arguments)

    async def merge(self, *arguments: Any, **which: Any) -> Object:
        return await self.forked().merge(*arguments, **which)

    async def create(self, manifest: Mapping[str, Any], **of: Any) -> Object:
        return await self.forked().create(manifest, **of)

    async def update(self, manifest: Mapping[str, Any], *, deadline: float) -> Object:
        return await self.forked().update(manifest, deadline=deadline)

    async def delete(self, kind: Kind, namespace: str, name: str, **which: Any) -> None:
        await self.forked().delete(kind, namespace, name, **which)


class FakeAccess:
    """Stands in for `Access`, as far as a plan asks it."""

    def __init__(self, kube: FakeKube) -> None:
        self.kube = DryRuns(kube)

    async def get(self, path: str, **_: str) -> Object | None:
        """Every API group is served; nothing else is asked for by path."""
        return {}

    async def dry_run(
        self, method: str, path: str, body: Mapping[str, Any], content_type: str, **params: str
    ) -> Object:
        """A FraudDetector is created or patched."""
        *_, namespace, plural, name = (path if method == "PATCH" else f"{path}/").split("/")
        assert plural == FRAUD_DETECTOR.plural
        fork = self.kube.forked()
        if method == "POST":
            return fork.put(dict(body))
        live = await fork.get(FRAUD_DETECTOR, namespace, name)
        return fork.put(merged(live, body))
