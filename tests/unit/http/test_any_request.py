"""Nothing that is sent makes the service fail: extreme values reach a real model."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import problem, scorer
from tests.unit.scorer.support import FEATURES, GOLDEN, transaction

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=5), scalars)
names = st.sampled_from([feature.name for feature in FEATURES]) | st.text(max_size=5)
fields = st.sampled_from(list(transaction())) | st.text(max_size=5)
never_fails = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def client(model: LoadedModel) -> Iterator[httpx.Client]:
    """A client of a scorer that runs in a thread, for tests that are not coroutines."""
    ready, done = threading.Event(), asyncio.Event()
    found: list[int] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with scorer(model) as running:
            found.append(running.port)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    with httpx.Client(base_url=f"http://127.0.0.1:{found[0]}") as client:
        yield client
    loop.call_soon_threadsafe(done.set)
    thread.join()
    loop.close()


def check(client: httpx.Client, body: bytes, content_type: str = "application/json") -> None:
    response = client.post("/v1/score", content=body, headers={"content-type": content_type})
    assert response.status_code in (200, 400, 415, 422)
    assert "Traceback" not in response.text
    if response.status_code == 200:
        assert 0 <= response.json()["score"] <= 1
    else:
        problem(response)


@never_fails
@given(st.dictionaries(names, values, max_size=4))
@example({"amount": 3.4028234663852886e38})
@example({"amount": 5e-324, "age": -3.4028234663852886e38})
@example({"channel": "\x00", "age": None})
@example({"channel": "\ud800"})
def test_any_features(client: httpx.Client, features: dict[str, object]) -> None:
    check(client, json.dumps(transaction(GOLDEN[0] | features)).encode())


@never_fails
@given(st.dictionaries(fields, values, max_size=3))
def test_any_fields(client: httpx.Client, changes: dict[str, object]) -> None:
    check(client, json.dumps(transaction() | changes).encode())


@never_fails
@given(st.binary(max_size=100))
def test_any_bytes(client: httpx.Client, body: bytes) -> None:
    check(client, body)


@never_fails
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip))
@example("application/json; charset=utf-8")
@example("application/json; charset=latin-1")
def test_any_media_type(client: httpx.Client, media: str) -> None:
    check(client, json.dumps(transaction()).encode(), media)
