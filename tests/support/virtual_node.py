"""A node that is not there: what kubelets do to the pods of a namespace, said by this process.

A scorer pod gets an address of this machine and a stand-in for its management port at it
(tests.support.scorers); a verification pod ends with the verdict that the test names. Everything
else is real: the API server, the controllers, the operator.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from fraud_operator.plan.children import (
    NAME_LABEL,
    POSTGRES,
    REDIS,
    SCHEMA,
    SCORER,
    VERIFICATION,
)
from fraud_operator.plan.pod_template import MANAGEMENT_PORT
from fraud_operator.runtime.connection import from_kubeconfig
from fraud_scorer.artifact import layout
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact import verdict as verdicts
from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.artifact.verdict import Inconclusive, Verdict
from tests.support.bucket import ACCESS_KEY, SECRET_KEY, client_of
from tests.support.process import Installation
from tests.support.scorers import Listening, StandIn
from tests.support.verdicts import proven

_EVERY_SECONDS = 0.1
_TRIES = 100
_ADDRESSES = (
    # Begun where others hardly are: tests run side by side, and the port is the same for all.
    f"127.{16 + os.getpid() % 200}.{number // 250}.{number % 250 + 1}"
    for number in itertools.count()
)


@dataclass
class VirtualNode:
    """What happens to pods here. Tests change it while it runs."""

    at: Installation
    verdicts: dict[str, str] = field(default_factory=dict)
    """What verification finds of a version: a reason to refuse it, or an end without a verdict
    (Evicted, OutOfMemory, StoreUnreachable). Not there: it is proven. "Nothing": it never ends."""
    pods: dict[str, StandIn] = field(default_factory=dict)
    """Of scorer pods, by name."""
    new: Callable[[StandIn], None] = lambda stand_in: None
    """What is done to a stand-in before anybody can ask it."""
    addresses: dict[str, str] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    """Which of Redis and Postgres are not ready, by their pods' name label."""
    migration: str = ""
    """Why migrations fail; empty: they do not."""
    migrated: list[str] = field(default_factory=list)
    """Pods whose migration ended here."""
    verified: list[str] = field(default_factory=list)
    """The versions whose verification ended here."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until it is told to stop."""
        connection = await from_kubeconfig(str(self.at.cluster.kubeconfig), self.at.cluster.context)
        self._server = connection.server
        self._listening = Listening(MANAGEMENT_PORT)
        async with connection.session() as self._session:
            while not stop.is_set():
                try:
                    await self._look()
                except aiohttp.ClientResponseError as error:
                    if error.status not in (404, 409, 429, 500, 503, 504):
                        raise
                except (aiohttp.ClientConnectionError, TimeoutError):
                    pass  # a busy API server; a kubelet asks again
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _EVERY_SECONDS)
            await self._listening.close()

    async def _look(self) -> None:
        pods = (await self._call("GET", "pods", labelSelector="fraudops.io/detector"))["items"]
        there = {pod["metadata"]["name"] for pod in pods}
        for gone in self.pods.keys() - there:
            await self._listening.hang_up(self.addresses.pop(gone))
            del self.pods[gone]
        for pod in pods:
            meta, status = pod["metadata"], pod["status"]
            if "deletionTimestamp" in meta:
                await self._end(meta)
            elif not any(one["type"] == "PodScheduled" for one in status.get("conditions") or ()):
                continue  # what the scheduler says later would replace what is said here
            elif (purpose := meta["labels"][NAME_LABEL]) == SCORER:
                await self._serve(pod)
            elif purpose in (REDIS, POSTGRES):
                await self._store(pod, up=purpose not in self.down)
            elif purpose == SCHEMA and status["phase"] == "Pending":
                await self._migrate(pod)
            elif purpose == VERIFICATION and status["phase"] == "Pending":
                await self._verify(pod)

    async def _end(self, meta: Mapping[str, Any]) -> None:
        body = {"gracePeriodSeconds": 0}
        await self._call("DELETE", f"pods/{meta['name']}", body)

    async def _serve(self, pod: Mapping[str, Any]) -> None:
        name, detector = pod["metadata"]["name"], pod["metadata"]["labels"]["fraudops.io/detector"]
        if name not in self.pods:
            try:
                token = await self._token(detector)
            except aiohttp.ClientResponseError:
                if not _waits(pod):
                    await self._report(name, _waiting())
                return
            stand_in = StandIn(name, token=token)
            stand_in.plan = await self._mounted_plan(detector)
            self.new(stand_in)
            self.addresses[name] = await self._listen(stand_in)
            self.pods[name] = stand_in
        stand_in = self.pods[name]
        ready = stand_in.ready
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions") or ()}
        known = pod["status"].get("podIP"), conditions.get("Ready"), _starts(pod)
        wanted = self.addresses[name], str(ready), stand_in.incarnation - 1
        if known != wanted:
            await self._report(name, _serving(self.addresses[name], ready, stand_in))

    async def _listen(self, stand_in: StandIn) -> str:
        """At an address that nobody on this machine has; which."""
        for address in itertools.islice(_ADDRESSES, _TRIES):
            try:
                await self._listening.listen(address, stand_in)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return address
        raise AssertionError(
            f"port {MANAGEMENT_PORT} of this machine's addresses belongs to another program: end it"
        )

    async def _token(self, detector: str) -> str:
        secret = await self._call("GET", f"secrets/{detector}-management")
        return base64.b64decode(secret["data"]["token"]).decode()

    async def _mounted_plan(self, detector: str) -> Any:
        config = await self._call("GET", f"configmaps/{detector}-model-plan")
        text = config["data"].get("plan.json")
        return model_plans.decode(text) if text else None

    async def _verify(self, pod: Mapping[str, Any]) -> None:
        arguments = _arguments(pod)
        version, finding = arguments["version"], self.verdicts.get(arguments["version"], "Proven")
        if finding == "Nothing":
            return
        if finding == "InputsChanged" and _callers_were_changed(pod):
            finding = "Proven"
        manifest = await asyncio.to_thread(_published, arguments)
        status = _status(version, finding, arguments, manifest)
        await self._report(pod["metadata"]["name"], status)
        self.verified.append(version)

    async def _store(self, pod: Mapping[str, Any], *, up: bool) -> None:
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions") or ()}
        if conditions.get("Ready") != str(up):
            await self._report(pod["metadata"]["name"], _running(pod, up))

    async def _migrate(self, pod: Mapping[str, Any]) -> None:
        if self.migration == "Nothing":
            return
        code = 1 if self.migration else 0
        await self._report(pod["metadata"]["name"], _ended("migrate", code, self.migration))
        self.migrated.append(pod["metadata"]["name"])

    async def _report(self, name: str, status: Mapping[str, Any]) -> None:
        await self._call("PATCH", f"pods/{name}/status", {"status": status})

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **params: str
    ) -> Any:
        content = {"PATCH": "application/strategic-merge-patch+json"}.get(
            method, "application/json"
        )
        async with self._session.request(
            method,
            f"{self._server}/api/v1/namespaces/{self.at.namespace}/{path}",
            params=params,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content},
            raise_for_status=True,
        ) as response:
            return await response.json()


def _published(arguments: Mapping[str, str]) -> Manifest:
    """The manifest that is to be judged, from where the operator found it."""
    s3 = json.loads(arguments["store"])["s3"]
    client = client_of(s3["endpoint"], ACCESS_KEY, SECRET_KEY)
    key = f"{s3['prefix']}{arguments['version']}/manifest.json"
    found = client.get_object(Bucket=s3["bucket"], Key=key)
    return manifests.decode(found["Body"].read())


def _status(
    version: str, finding: str, arguments: Mapping[str, str], manifest: Manifest
) -> dict[str, Any]:
    """Of a verification's pod at its end."""
    if finding == "Evicted":
        return {"phase": "Failed", "reason": "Evicted", "message": "the node had no room"}
    if finding == "OutOfMemory":
        return _ended("judge", 137, "", reason="OOMKilled")
    if finding == "StoreUnreachable":
        said = Inconclusive(reason=finding, message="the store does not answer")
        return _ended("judge", 4, verdicts.encode(said).decode())
    source, model = arguments["source"], manifest.model_file
    if finding == "Proven":
        page = layout.proof_page(arguments["proof-key"])
        verdict = proven(manifest, source, report=page)
    else:
        verdict = Verdict(
            outcome="Refused",
            reason=finding,  # type: ignore[arg-type]
            version=version,
            source=source,
            digest=manifest.digest,
            file=f"{version}/{model.path}",
            expected="as published",
            actual="something else",
            message=f"{version}/{model.path} is not as it was published",
        )
    return _ended("judge", 0, verdicts.encode(verdict).decode())


def _starts(pod: Mapping[str, Any]) -> int:
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses") or ())


def _arguments(pod: Mapping[str, Any]) -> dict[str, str]:
    """What all containers are told, by the flag's name."""
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    flags = [one for container in containers for one in container["args"] if "=" in one]
    return dict(flag.removeprefix("--").split("=", 1) for flag in flags)


def _callers_were_changed(pod: Mapping[str, Any]) -> bool:
    return any("--allow-input-changes" in one["args"] for one in pod["spec"]["containers"])


def _waits(pod: Mapping[str, Any]) -> bool:
    statuses = pod["status"].get("containerStatuses") or ()
    return any("waiting" in one["state"] for one in statuses)


def _waiting() -> dict[str, Any]:
    """A Secret or ConfigMap of it is missing."""
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    container = {
        "name": "scorer",
        "ready": False,
        "restartCount": 0,
        "image": "scorer",
        "imageID": "",
        "state": waiting,
    }
    return {
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [container],
    }


def _serving(address: str, ready: bool, stand_in: StandIn) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": now}],
        "containerStatuses": [
            {
                "name": "scorer",
                "ready": ready,
                "started": True,
                "restartCount": stand_in.incarnation - 1,
                "image": "scorer",
                "imageID": "scorer",
                "state": {"running": {"startedAt": now}},
            }
        ],
    }


def _running(pod: Mapping[str, Any], ready: bool) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    (container,) = pod["spec"]["containers"]
    return {
        "phase": "Running",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
            {"type": "Ready", "status": str(ready), "lastTransitionTime": now},
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "ready": ready,
                "started": True,
                "restartCount": 0,
                "image": container["image"],
                "imageID": container["image"],
                "state": {"running": {"startedAt": now}},
            }
        ],
    }


def _ended(name: str, code: int, message: str, reason: str = "") -> dict[str, Any]:
    ended = {
        "exitCode": code,
        "message": message,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "startedAt": None,
        "finishedAt": None,
    }
    return {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [
            {
                "name": name,
                "ready": False,
                "restartCount": 0,
                "image": "scorer",
                "imageID": "scorer",
                "state": {"terminated": ended},
            }
        ],
    }


@contextmanager
def virtual_node(at: Installation) -> Iterator[VirtualNode]:
    """While the context lasts; what ended it early is raised at its end."""
    node = VirtualNode(at)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(node.run(stop), loop)
    try:
        yield node
    finally:
        loop.call_soon_threadsafe(stop.set)
        try:
            running.result(20)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()
