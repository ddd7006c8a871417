"""The management token is read from the operator's own Secret, and from no other."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.observe.management import Tokens
from fraud_operator.runtime.kinds import FRAUD_DETECTOR, SECRET
from tests.support.kube import FakeKube
from tests.support.world import NAME, NAMESPACE, detector

TOKEN = "t" * 43


class Reads(FakeKube):
    """Counts what is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def get(self, *place: Any) -> Any:
        self.reads += 1
        return await super().get(*place)


@pytest.fixture
def kube() -> Reads:
    kube = Reads()
    kube.put(detector())
    return kube


def owner(kube: FakeKube) -> FraudDetector:
    return FraudDetector.parse(kube.read(FRAUD_DETECTOR, NAMESPACE, NAME))


def put(kube: FakeKube, uid: str, token: str = TOKEN) -> None:
    kube.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"{NAME}-management",
                "namespace": NAMESPACE,
                "ownerReferences": [{"kind": "FraudDetector", "uid": uid, "controller": True}],
            },
            "data": {"token": b64encode(token.encode()).decode()},
        }
    )


async def test_it_is_read_once_in_minutes_and_soon_where_it_is_doubted(kube: Reads) -> None:
    now = 0.0
    tokens = Tokens(kube, clock=lambda: now)
    one = owner(kube)
    put(kube, one.uid)
    for _ in range(3):
        found = await tokens.of(one)
        assert (found.token, found.problem) == (TOKEN, "")
    assert kube.reads == 1
    put(kube, one.uid, "u" * 43)
    now = 5.0
    assert (await tokens.of(one)).token == TOKEN
    assert (await tokens.of(one, doubted=True)).token == "u" * 43
    now = 400.0
    await tokens.of(one)
    assert kube.reads == 3


async def test_what_was_just_made_is_not_read(kube: Reads) -> None:
    one = owner(kube)
    put(kube, one.uid)
    tokens = Tokens(kube, clock=lambda: 0.0)
    tokens.made(kube.read(SECRET, NAMESPACE, f"{NAME}-management"))
    assert (await tokens.of(one)).token == TOKEN
    assert kube.reads == 0


async def test_that_there_is_none_is_never_remembered(kube: Reads) -> None:
    tokens = Tokens(kube, clock=lambda: 0.0)
    one = owner(kube)
    assert (await tokens.of(one)).secret is None
    put(kube, one.uid)
    assert (await tokens.of(one)).token == TOKEN


async def test_the_secret_of_somebody_else_lets_nobody_in(kube: Reads) -> None:
    put(kube, "another")
    found = await Tokens(kube).of(owner(kube))
    assert found.token == ""
    assert found.secret is not None
    assert "data" not in found.secret


@pytest.mark.parametrize("token", ["", "short", "a\nb" * 20, "\N{SNOWMAN}" * 20])
async def test_what_can_be_no_token_says_what_to_do(kube: Reads, token: str) -> None:
    one = owner(kube)
    put(kube, one.uid, token)
    found = await Tokens(kube).of(one)
    assert found.token == ""
    assert "delete the Secret" in found.problem


async def test_no_repr_shows_it(kube: Reads) -> None:
    one = owner(kube)
    put(kube, one.uid)
    assert TOKEN not in repr(await Tokens(kube).of(one))
