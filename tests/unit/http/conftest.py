"""A scorer with a real model, for tests that need no other, with the hot route and without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import Running, scorer
from tests.unit.scorer.support import loaded, publish_to


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder: Path = tmp_path_factory.mktemp("store")
    publish_to(folder)
    return loaded(folder)


@pytest.fixture(scope="session", params=[True, False], ids=["hot", "asgi"])
def hot(request: pytest.FixtureRequest) -> bool:
    """Whether the hot route is answered without ASGI. A caller must not see a difference, so
    whatever takes this is tested both ways."""
    found: bool = request.param
    return found


@pytest.fixture
async def running(model: LoadedModel, hot: bool) -> AsyncIterator[Running]:
    """A scorer for one test."""
    async with scorer(model, hot=hot) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(model: LoadedModel, hot: bool) -> AsyncIterator[Running]:
    """A scorer for all tests of a module, which must not change it."""
    async with scorer(model, hot=hot) as made:
        yield made
