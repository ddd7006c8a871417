"""Waiting until a whole namespace is ready, asked of the API server as cheaply as can be.

A small table now and then, made from the server's own cache, and the rarer the longer it takes;
when exactly the last object became ready is read from the audit log afterwards.
"""

from __future__ import annotations

import asyncio
import time

import aiohttp

from fraud_operator.runtime.kinds import Kind

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PAUSE_SECONDS = 1.0
_SHARE = 0.05
"""Of the time that asking may take, at most."""


async def wait_until(
    session: aiohttp.ClientSession,
    server: str,
    kind: Kind,
    namespace: str,
    count: int,
    *,
    column: str,
    value: str | int,
    seconds: float,
) -> None:
    """Return when `count` objects show `value` in that printed column. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        found = await _showing(session, server + kind.path(namespace), column, value)
        if found >= count:
            return
        if time.monotonic() > end:
            raise TimeoutError(
                f"{found} of {count} {kind.plural} are ready after {seconds:.0f} seconds"
            )
        await asyncio.sleep(max(_PAUSE_SECONDS, (time.monotonic() - began) / _SHARE))


async def _showing(session: aiohttp.ClientSession, url: str, column: str, value: str | int) -> int:
    params = {"resourceVersion": "0", "includeObject": "None"}
    async with session.get(url, params=params, headers={"Accept": _TABLE}) as response:
        response.raise_for_status()
        table = await response.json()
    at = [one["name"] for one in table["columnDefinitions"]].index(column)
    return sum(row["cells"][at] == value for row in table.get("rows") or ())
