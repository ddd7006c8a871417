"""A detector with v1 active in three pods."""

import pytest

from tests.support.releases import World, version


@pytest.fixture
def world() -> World:
    made = World(versions=[version("v1")])
    made.settle()
    made.add_pods(3)
    made.settle()
    made.events.clear()
    return made
