"""The Kubernetes API in plain dicts: the few verbs that the operator needs, and how they fail.

`Kube` is the protocol that everything else is written against, so that tests can stand in for it;
`HttpKube` speaks to a real server through a session of `connection`. There are no typed classes:
they cost more memory than all the rest of the operator.

Every verb may be repeated safely (apply is idempotent, deletes carry a uid, creates a name of their
own, updates a resourceVersion), so 429, 5xx and silence are retried here, as the server's
Retry-After says or with growing pauses, until the deadline. What is raised then is an ApiError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import aiohttp
import msgspec

from fraud_operator.runtime import metrics
from fraud_operator.runtime.kinds import Kind, kind_of

Object = dict[str, Any]

FIELD_MANAGER = "fraud-operator"
_PAGE = 250
# What the server says of a PodDisruptionBudget that another write changed during ours (seen on 1.34
# and 1.36): to us it is the conflict that it is.
_LOST_RACE = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"


class ApiError(Exception):
    """What the API server refused, or why it could not be asked.

    `status` is the HTTP status, 0 where there was no answer; `reason` the server's own CamelCase
    word (NotFound, Conflict, AlreadyExists, Forbidden, Invalid, ...), else Unreachable.
    """

    def __init__(self, status: int, reason: str, message: str, what: str) -> None:
        super().__init__(f"{what}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.what = what

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self.status in (0, 401, 408, 409, 429) or self.status >= 500


class NotFound(ApiError):
    """There is no such object, or no such kind."""


class Conflict(ApiError):
    """The object is another than was assumed: changed, recreated, already there."""


class WritesForbidden(Exception):
    """A write was about to be sent by a process that must not write (any more)."""


class Kube(Protocol):
    """The verbs. All raise ApiError; `namespace` None means all namespaces."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none."""
        ...

    async def list(
        self, kind: Kind, namespace: str | None, *, label_selector: str = ""
    ) -> tuple[list[Object], str]:
        """All objects, and the resourceVersion at which that was true."""
        ...

    async def apply(
        self, manifest: Mapping[str, Any], *, manager: str = FIELD_MANAGER, force: bool
    ) -> Object:
        """Server-side apply; the object as it is afterwards. Raises Conflict: without `force`
        where another manager owns a field, and where an object exists whose `metadata.uid` or
        `metadata.resourceVersion` is another than given. (With a uid it must exist, too.)"""
        ...

    async def patch_status(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], resource_version: str
    ) -> Object:
        """Merge `patch` into `.status`, only if the object is still at `resource_version`."""
        ...

    async def patch_labels(
        self, kind: Kind, namespace: str, name: str, labels: Mapping[str, str | None], *, uid: str
    ) -> Object:
        """Set these labels of that very object; None removes one."""
        ...

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], *, uid: str
    ) -> Object:
        """Merge `patch` into that very object; None takes a field away."""
        ...

    async def create(
        self, manifest: Mapping[str, Any], *, subresource_of: tuple[Kind, str, str] | None = None
    ) -> Object:
        """Create an object, or post to a subresource that is named like the manifest's kind."""
        ...

    async def update(self, manifest: Mapping[str, Any], *, deadline: float) -> Object:
        """Replace an object at its resourceVersion. Not retried: the caller knows better."""
        ...

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
        """Delete that very object (and, where given, that very state); gone already is fine. With
        `orphan`, what it owns stays, and is nobody's."""
        ...


@dataclass(frozen=True)
class RetryPolicy:
    """How long one call may take altogether, one attempt of it, and the pauses between. Seconds."""

    deadline: float = 30.0
    attempt: float = 10.0
    first_pause: float = 0.2
    longest_pause: float = 5.0


class HttpKube:
    """`Kube` over HTTP.

    `may_write` is called before every single attempt to write and raises to prevent it: that is how
    the loss of the leader's Lease stops writes, retries included. With `dry_run` every write is a
    question: the server validates and answers as if it had written, and stores nothing.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: str,
        *,
        may_write: Callable[[], None] = lambda: None,
        retry: RetryPolicy | None = None,
        dry_run: bool = False,
    ) -> None:
        self._session = session
        self._server = server
        self._may_write = may_write
        self._dry_run = dry_run
        self._retry = retry or RetryPolicy()
        self._rng = Random()  # noqa: S311 - spreads retries, keeps no secret

    def guarded(self, may_write: Callable[[], None]) -> HttpKube:
        """The same client, with another guard."""
        return HttpKube(
            self._session,
            self._server,
            may_write=may_write,
            retry=self._retry,
            dry_run=self._dry_run,
        )

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._call("GET", kind, kind.path(namespace, name))
        except NotFound:
            return None

    async def list(
        self, kind: Kind, namespace: str | None, *, label_selector: str = ""
    ) -> tuple[list[Object], str]:
        items: list[Object] = []
        version = ""
        async for page in self._pages(kind, namespace, label_selector):
            version = page["metadata"].get("resourceVersion", version)
            for item in page.get("items") or ():
                items.append({"apiVersion": kind.api_version, "kind": kind.kind, **item})
        return items, version

    async def _pages(
        self, kind: Kind, namespace: str | None, label_selector: str
    ) -> AsyncIterator[Object]:
        params = {"limit": str(_PAGE)}
        if label_selector:
            params["labelSelector"] = label_selector
        while True:
            page = await self._call("GET", kind, kind.path(namespace), params=params, verb="LIST")
            yield page
            following = page["metadata"].get("continue")
            if not following:
                return
            params["continue"] = following

    async def apply(
        self, manifest: Mapping[str, Any], *, manager: str = FIELD_MANAGER, force: bool
    ) -> Object:
        kind, meta = kind_of(manifest), manifest["metadata"]
        return await self._call(
            "PATCH",
            kind,
            kind.path(meta["namespace"], meta["name"]),
            params={"fieldManager": manager, "force": "true" if force else "false"},
            body=manifest,
            content_type="application/apply-patch+yaml",
            verb="APPLY",
        )

    async def patch_status(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], resource_version: str
    ) -> Object:
        return await self._call(
            "PATCH",
            kind,
            kind.path(namespace, name, "status"),
            params={"fieldManager": FIELD_MANAGER},
            body={"metadata": {"resourceVersion": resource_version}, "status": patch},
            content_type="application/merge-patch+json",
            verb="STATUS",
        )

    async def patch_labels(
        self, kind: Kind, namespace: str, name: str, labels: Mapping[str, str | None], *, uid: str
    ) -> Object:
        return await self._merge(
            kind, namespace, name, {"metadata": {"labels": labels}}, uid, "LABEL"
        )

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], *, uid: str
    ) -> Object:
        return await self._merge(kind, namespace, name, patch, uid, "MERGE")

    async def _merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], uid: str, verb: str
    ) -> Object:
        return await self._call(
            "PATCH",
            kind,
            kind.path(namespace, name),
            params={"fieldManager": FIELD_MANAGER},
            body={**patch, "metadata": {**patch.get("metadata", {}), "uid": uid}},
            content_type="application/merge-patch+json",
            verb=verb,
        )

    async def create(
        self, manifest: Mapping[str, Any], *, subresource_of: tuple[Kind, str, str] | None = None
    ) -> Object:
        if subresource_of is None:
            kind = kind_of(manifest)
            path = kind.path(manifest["metadata"]["namespace"])
        else:
            kind, namespace, name = subresource_of
            path = kind.path(namespace, name, _subresource(manifest["kind"]))
        params = {"fieldManager": FIELD_MANAGER}
        return await self._call("POST", kind, path, params=params, body=manifest)

    async def update(self, manifest: Mapping[str, Any], *, deadline: float) -> Object:
        kind, meta = kind_of(manifest), manifest["metadata"]
        return await self._call(
            "PUT",
            kind,
            kind.path(meta["namespace"], meta["name"]),
            params={"fieldManager": FIELD_MANAGER},
            body=manifest,
            retry=RetryPolicy(deadline=0.0, attempt=deadline),
        )

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
        preconditions = {"uid": uid}
        if resource_version:
            preconditions["resourceVersion"] = resource_version
        body: Object = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": "Orphan" if orphan else "Background",
        }
        if self._dry_run:  # where there is a body, the server does not look at the query
            body["dryRun"] = ["All"]
        try:
            await self._call("DELETE", kind, kind.path(namespace, name), body=body)
        except NotFound:
            return

    async def _call(
        self,
        method: str,
        kind: Kind,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        verb: str = "",
        retry: RetryPolicy | None = None,
    ) -> Object:
        retry = retry or self._retry
        what = f"{verb or method} {path}"
        if self._dry_run and method != "GET":
            params = {**(params or {}), "dryRun": "All"}
        data = None if body is None else msgspec.json.encode(body)
        headers = {} if data is None else {"Content-Type": content_type}
        end = time.monotonic() + retry.deadline
        pause = retry.first_pause
        while True:
            if method != "GET":
                self._may_write()
            error, retry_after = await self._attempt(
                method, path, params, data, headers, retry.attempt, what
            )
            metrics.API_REQUESTS.labels(
                verb or method, kind.kind, error.status if isinstance(error, ApiError) else 200
            ).inc()
            if not isinstance(error, ApiError):
                return error
            again = error.status in (0, 429) or error.status >= 500
            wait = max(pause * (0.5 + self._rng.random()), retry_after)
            if not again or time.monotonic() + wait > end:
                raise error
            await asyncio.sleep(wait)
            pause = min(pause * 2, retry.longest_pause)

    async def _attempt(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        data: bytes | None,
        headers: Mapping[str, str],
        seconds: float,
        what: str,
    ) -> tuple[Object | ApiError, float]:
        """The object, or the error and how many seconds the server asks to wait."""
        try:
            async with self._session.request(
                method,
                self._server + path,
                params=params,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = str(error) or f"no answer within {seconds:g} s"
            return ApiError(0, "Unreachable", message, what), 0.0
        if response.status < 300:
            return msgspec.json.decode(content), 0.0
        return refusal(response.status, content, what), _seconds(response.headers)


def refusal(status: int, content: bytes, what: str) -> ApiError:
    """The error in an answer of the API server."""
    try:
        answer = msgspec.json.decode(content)
        reason, message = answer.get("reason", ""), answer.get("message", "")
    except (msgspec.DecodeError, AttributeError):
        reason, message = "", content[:300].decode(errors="replace")
    if status == 422 and _LOST_RACE in message:
        status, reason = 409, "Conflict"
    kind = {404: NotFound, 409: Conflict}.get(status, ApiError)
    return kind(status, reason or f"Status{status}", message or f"HTTP {status}", what)


def _seconds(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _subresource(kind: str) -> str:
    return {"TokenRequest": "token"}[kind]
