"""A command's way to the API server: reads, questions, and one single write.

`patch` is what `kubectl fraud rollback` and its like ask the operator by. Everything else that is
sent with another verb than GET is either a dry run, which the server validates and answers and does
not store, or a review of permissions or of oneself, which is stored nowhere either.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from fraud_operator.cli.exits import Failure
from fraud_operator.cli.kubeconfig import target
from fraud_operator.runtime.connection import ConnectionProblem
from fraud_operator.runtime.kube import ApiError, HttpKube, NotFound, Object, RetryPolicy, refusal

_SECONDS = 20.0
_PATIENCE = RetryPolicy(deadline=4.0, attempt=_SECONDS)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


class Access:
    """One API server, and the namespace that is meant where none is named."""

    def __init__(self, session: aiohttp.ClientSession, server: str, namespace: str) -> None:
        self._session = session
        self._server = server
        self.namespace = namespace
        self.server_time = datetime.now(UTC)
        """The API server's clock at its latest answer."""
        self.kube = HttpKube(session, server, retry=_PATIENCE, dry_run=True)

    async def get(self, path: str, *, accept: str = JSON, **params: str) -> Object | None:
        """What is there; None where nothing is. Raises ApiError."""
        try:
            return await self._request("GET", path, params, accept=accept)
        except NotFound:
            return None

    async def review(self, path: str, body: Mapping[str, Any]) -> Object:
        """Ask who one is, or may do what. Raises ApiError."""
        return await self._request("POST", path, {}, body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Object:
        """Change an object by a merge patch. Raises ApiError."""
        return await self._request(
            "PATCH", path, {"fieldManager": "kubectl-fraud"}, body, content_type=MERGE_PATCH
        )

    async def dry_run(
        self, method: str, path: str, body: Mapping[str, Any], content_type: str, **params: str
    ) -> Object:
        """What the object would be. Raises ApiError with what the server has against it."""
        asked = {**params, "dryRun": "All"}
        return await self._request(method, path, asked, body, content_type=content_type)

    async def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        what = f"{method} {path}"
        try:
            async with self._session.request(
                method,
                self._server + path,
                params=params,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=_SECONDS),
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = str(error) or f"no answer within {_SECONDS:g} s"
            raise ApiError(0, "Unreachable", message, what) from None
        if date := response.headers.get("Date"):
            self.server_time = parsedate_to_datetime(date)
        if response.status >= 300:
            raise refusal(response.status, content, what)
        answer: Object = msgspec.json.decode(content)
        return answer


@asynccontextmanager
async def access(arguments: argparse.Namespace) -> AsyncIterator[Access]:
    """The API server that the arguments are about. Raises Failure; so do errors within."""
    try:
        found = await target(arguments.kubeconfig, arguments.context)
        async with found.connection.session() as session:
            session.headers["User-Agent"] = "kubectl-fraud"
            namespace = arguments.namespace or found.namespace
            yield Access(session, found.connection.server, namespace)
    except ConnectionProblem as error:
        raise Failure(str(error)) from None
    except ApiError as error:
        raise Failure(explained(error)) from None


def explained(error: ApiError) -> str:
    """What the API server said, and what to do."""
    if error.status == 0:
        return f"cannot reach the API server: {error.message}; check --kubeconfig and --context"
    if error.status == 401:
        return f"the API server does not know you ({error.what}): log in again"
    if error.status == 403:
        return f"{error.message}: ask for that right (the ClusterRoles view and edit have it)"
    return str(error)
