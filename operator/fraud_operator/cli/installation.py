"""The operator that is installed in a cluster: its Deployment, and what it was started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fraud_operator.install.objects import NAME
from fraud_operator.runtime.kinds import DEPLOYMENT
from fraud_operator.runtime.kube import Kube, Object
from fraud_operator.runtime.settings import ENVIRONMENT_PREFIX


@dataclass(frozen=True, slots=True)
class Installation:
    """One operator."""

    deployment: Object

    @property
    def scorer_image(self) -> str:
        """For detectors that name none; empty where it does not say."""
        return self._setting("scorer_image")

    @property
    def image_pull_policy(self) -> str:
        """Of scorer pods."""
        return self._setting("image_pull_policy") or "IfNotPresent"

    @property
    def redis_image(self) -> str:
        """Of managed Redis, without its tag."""
        return self._setting("redis_image") or "redis"

    @property
    def postgres_image(self) -> str:
        """Of managed Postgres, without its tag."""
        return self._setting("postgres_image") or "postgres"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Those looked after; empty: all."""
        return tuple(filter(None, self._setting("namespaces").split(",")))

    @property
    def lease(self) -> tuple[str, str]:
        """Namespace and name of its Lease."""
        namespace = self._setting("lease_namespace") or self.deployment["metadata"]["namespace"]
        return namespace, self._setting("lease_name") or NAME

    @property
    def user(self) -> str:
        """Who it is to the API server."""
        account = self._pod.get("serviceAccountName") or "default"
        return f"system:serviceaccount:{self.deployment['metadata']['namespace']}:{account}"

    @property
    def _pod(self) -> Mapping[str, Any]:
        pod: Mapping[str, Any] = self.deployment["spec"]["template"]["spec"]
        return pod

    def _setting(self, name: str) -> str:
        """A flag wins over its environment variable, as in `runtime.settings`."""
        flag, variable = f"--{name.replace('_', '-')}", ENVIRONMENT_PREFIX + name.upper()
        container: Mapping[str, Any] = self._pod["containers"][0]
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        for at, word in enumerate(words):
            if word.startswith(f"{flag}="):
                return str(word.partition("=")[2])
            if word == flag and at + 1 < len(words):
                return str(words[at + 1])
        for entry in container.get("env") or ():
            if entry.get("name") == variable:
                return str(entry.get("value", ""))
        return ""


async def installation(kube: Kube, namespace: str) -> Installation | None:
    """The operator in that namespace; None where there is none. Raises ApiError."""
    deployment = await kube.get(DEPLOYMENT, namespace, NAME)
    return None if deployment is None else Installation(deployment)
