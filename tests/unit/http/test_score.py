"""A transaction goes in, a score and a decision come out; a wrong one gets a problem document."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from fraud_scorer.engine import RowError
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import Running, problem, scorer
from tests.unit.scorer.support import (
    FEATURES,
    GOLDEN,
    FakeModel,
    fake_loaded,
    manifest_of,
    transaction,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_answer(shared: Running, model: LoadedModel) -> None:
    response = await shared.score(transaction())
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer["score"] == model.manifest.golden[0].score
    assert answer["decision"] in ("approve", "review", "decline")
    assert answer["model"] == {"name": "card-payments", "version": "v1", "digest": model.digest}
    assert uuid.UUID(answer["prediction_id"])
    assert answer["reasons"] == []
    assert answer["degraded"] == []
    assert answer["feature_age_ms"] is None
    timing = answer["timing_ms"]
    assert set(timing) == {"features", "model", "total"}
    assert timing["total"] >= timing["model"] >= 0


async def test_every_answer_has_an_id_of_its_own(shared: Running) -> None:
    ids = {(await shared.score(transaction())).json()["prediction_id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("score", "decision"), [(0.1, "approve"), (0.5, "review"), (0.9, "decline")]
)
async def test_thresholds_decide(score: float, decision: str) -> None:
    model = fake_loaded(FakeModel(), manifest_of(FEATURES, GOLDEN[0]))
    async with scorer(model) as running:
        answer = (await running.score(transaction(GOLDEN[0] | {"amount": score}))).json()
        assert (answer["score"], answer["decision"]) == (score, decision)


async def test_a_switch_of_models_is_seen_by_the_next_request() -> None:
    manifest = manifest_of(FEATURES, GOLDEN[0])
    async with scorer(fake_loaded(FakeModel(), manifest)) as running:

        class Other(FakeModel):
            def score_one(self, row: object) -> float:
                return 0.25

        running.registry.install(replace(fake_loaded(Other(), manifest), revision="another"))

        async def asked() -> object:
            amount = {"amount": 0.75}
            return (await running.score(transaction(GOLDEN[0] | amount))).json()["score"]

        assert await asked() == 0.75
        running.registry.activate("another")
        assert await asked() == 0.25


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"{", 400, None),
        (b"", 400, None),
        (transaction(GOLDEN[0] | {"amount": float("nan")}), 400, "#/features/amount"),
        (transaction({"amount": 1}), 422, "#/features/age"),
        (transaction(GOLDEN[0] | {"amount": None}), 422, "#/features/amount"),
        (transaction(GOLDEN[0] | {"extra": 1}), 422, "#/features/extra"),
        (transaction(GOLDEN[0] | {"channel": 1}), 422, "#/features/channel"),
        (transaction(currency="euro"), 422, "#/currency"),
        (transaction(event_time="2999-01-01T00:00:00Z"), 422, "#/event_time"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(
    shared: Running, body: object, status: int, pointer: str | None
) -> None:
    response = await shared.score(body)
    assert response.status_code == status
    document = problem(response)
    if pointer is not None:
        assert document["errors"][0]["pointer"] == pointer
        assert pointer in document["detail"]


async def test_a_row_that_the_model_does_not_take_is_the_callers() -> None:
    class Choosy(FakeModel):
        def score_one(self, row: object) -> float:
            raise RowError("channel", "is a category that the model does not know")

    async with scorer(fake_loaded(Choosy(), manifest_of(FEATURES, GOLDEN[0]))) as running:
        response = await running.score(transaction())
        assert response.status_code == 422
        assert problem(response)["errors"] == [
            {
                "pointer": "#/features/channel",
                "detail": "is a category that the model does not know",
            }
        ]


async def test_a_failing_model_shows_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(FakeModel):
        def score_one(self, row: object) -> float:
            raise RuntimeError("secret inner state")

    async with scorer(fake_loaded(Failing(), manifest_of(FEATURES, GOLDEN[0]))) as running:
        response = await running.score(transaction())
        assert response.status_code == 500
        assert "secret" not in json.dumps(problem(response))
    assert "secret inner state" in caplog.text


async def test_without_a_model_nothing_is_scored() -> None:
    async with scorer(None) as running:
        for response in (
            await running.score(transaction()),
            await running.client.get("/health"),
            await running.client.get("/openapi.json"),
        ):
            assert response.status_code == 503
            assert problem(response)["type"].endswith(":not-ready")
