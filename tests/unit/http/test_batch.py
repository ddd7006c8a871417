"""Many transactions in one request: each has an answer or a problem of its own."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from fraud_scorer.http.batch import NDJSON
from fraud_scorer.http.limits import Limits
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import Running, problem, scorer
from tests.unit.http.test_management import scrape, value
from tests.unit.scorer.support import GOLDEN, transaction

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/score/batch"
GOOD, OTHER = transaction(), transaction(GOLDEN[1], transaction_id="t-2")
WRONG = transaction(GOLDEN[0] | {"amount": -1})


async def post(running: Running, body: bytes, media: str = "application/json") -> httpx.Response:
    return await running.client.post(PATH, content=body, headers={"content-type": media})


def lines(*items: object) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in items).encode()


async def answers(running: Running, form: str, *items: object) -> list[dict[str, Any]]:
    """What comes back for these, in that form."""
    if form == "array":
        response = await post(running, json.dumps(items).encode())
        found: list[dict[str, Any]] = response.json()
    else:
        response = await post(running, lines(*items), NDJSON)
        found = [json.loads(line) for line in response.text.splitlines()]
    assert response.status_code == 200
    assert response.headers["content-type"] == ("application/json" if form == "array" else NDJSON)
    return found


both_forms = pytest.mark.parametrize("form", ["array", "lines"])


@both_forms
async def test_answers_come_in_the_order_of_transactions(
    shared: Running, model: LoadedModel, form: str
) -> None:
    found = await answers(shared, form, GOOD, OTHER, GOOD)
    golden = [one.score for one in model.manifest.golden]
    assert [each["score"] for each in found] == [golden[0], golden[1], golden[0]]
    assert len({each["prediction_id"] for each in found}) == 3


@both_forms
async def test_each_answer_is_what_the_transaction_alone_would_get(
    shared: Running, form: str
) -> None:
    alone = (await shared.score(OTHER)).json()
    (found,) = await answers(shared, form, OTHER)
    own = ("prediction_id", "timing_ms")
    assert {key: found[key] for key in found if key not in own} == {
        key: alone[key] for key in alone if key not in own
    }
    assert found.keys() == alone.keys()


@both_forms
async def test_a_wrong_transaction_spoils_no_other(shared: Running, form: str) -> None:
    found = await answers(shared, form, GOOD, WRONG, OTHER, 5, {})
    assert ["score" in each for each in found] == [True, False, True, False, False]
    assert [each.get("item") for each in found] == [None, 1, None, 3, 4]
    assert [each.get("status") for each in found] == [None, 422, None, 422, 422]
    alone = problem(await shared.score(WRONG))
    assert found[1] == alone | {"item": 1}
    assert found[1]["errors"][0]["pointer"] == "#/features/amount"


@both_forms
async def test_an_empty_batch_has_an_empty_answer(shared: Running, form: str) -> None:
    assert await answers(shared, form) == []


async def test_lines_that_are_not_json_are_told_apart(shared: Running) -> None:
    nan = transaction(GOLDEN[0] | {"amount": float("nan")})
    body = b"\r\n" + lines(GOOD) + b"{\n\n" + lines(nan) + json.dumps(OTHER).encode()
    response = await post(shared, body, NDJSON)
    found = [json.loads(line) for line in response.text.splitlines()]
    assert [each.get("status") for each in found] == [None, 400, 400, None]
    assert found[2]["item"] == 2
    assert found[2]["errors"][0]["pointer"] == "#/features/amount"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 400, None),
        (b"[{}", 400, None),
        (b"[\xff]", 400, None),
        (b"[" * 5000, 400, None),
        (json.dumps(GOOD).encode(), 422, "#"),
        (b'[{}, {"features": {"amount": NaN}}]', 400, "#/1/features/amount"),
    ],
)
async def test_what_is_no_array(
    shared: Running, body: bytes, status: int, pointer: str | None
) -> None:
    response = await post(shared, body)
    assert response.status_code == status
    errors = problem(response).get("errors", [])
    assert [each["pointer"] for each in errors] == ([] if pointer is None else [pointer])


async def test_another_media_type(shared: Running) -> None:
    response = await post(shared, b"[]", "text/csv")
    assert response.status_code == 415
    detail = problem(response)["detail"]
    assert "application/json" in detail
    assert NDJSON in detail


@both_forms
async def test_too_many_transactions(model: LoadedModel, form: str) -> None:
    async with scorer(model, limits=Limits(batch_items=2)) as running:
        assert len(await answers(running, form, GOOD, GOOD)) == 2
        three = lines(GOOD, GOOD, GOOD) if form == "lines" else json.dumps([GOOD] * 3).encode()
        response = await post(running, three, NDJSON if form == "lines" else "application/json")
        assert response.status_code == 413
        assert "at most 2 transactions" in problem(response)["detail"]
        assert (
            value(await scrape(running), "fraud_scorer_score_count", version="v1", role="active")
            == 2
        )


async def test_too_many_bytes(model: LoadedModel) -> None:
    async with scorer(model, limits=Limits(body_bytes=10, batch_bytes=1000)) as running:
        assert (await post(running, b"[" + b" " * 500 + b"]")).status_code == 200
        response = await post(running, b"[" + b" " * 1000 + b"]")
        assert response.status_code == 413
        assert "at most 1000 bytes" in problem(response)["detail"]


async def test_every_transaction_is_counted(model: LoadedModel) -> None:
    async with scorer(model) as running:
        await answers(running, "array", GOOD, WRONG, OTHER)
        await answers(running, "lines", GOOD, WRONG)
        samples = await scrape(running)
    assert value(samples, "fraud_scorer_batch_items_total", status="200") == 3
    assert value(samples, "fraud_scorer_batch_items_total", status="422") == 2
    assert value(samples, "fraud_scorer_score_count", version="v1", role="active") == 3
    assert value(samples, "fraud_scorer_requests_total", route=PATH, status="200") == 2
    assert value(samples, "fraud_scorer_requests_in_flight") == 0


async def test_without_a_model_each_is_told_so() -> None:
    async with scorer(None) as running:
        (found,) = await answers(running, "array", GOOD)
        assert (found["status"], found["item"]) == (503, 0)


async def test_a_single_transaction_is_answered_while_a_batch_is(model: LoadedModel) -> None:
    """The batch's client reads nothing until the other has its answer."""
    many = lines(*[GOOD] * 500)
    async with (
        scorer(model) as running,
        running.client.stream(
            "POST", PATH, content=many, headers={"content-type": NDJSON}
        ) as response,
    ):
        parts = response.aiter_lines()
        assert json.loads(await anext(parts))["score"] >= 0
        assert (await running.score(OTHER)).status_code == 200
        assert len([line async for line in parts]) == 499


async def test_a_client_that_knows_no_chunks_gets_it_whole(shared: Running) -> None:
    body = json.dumps([GOOD, OTHER]).encode()
    head = f"POST {PATH} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    answer = await shared.exchange(head.encode() + b"\r\n\r\n" + body)
    headers, _, content = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in headers.lower()
    assert f"content-length: {len(content)}".encode() in headers.lower()
    assert len(json.loads(content)) == 2


async def test_a_failing_item_shows_nothing_of_itself(
    shared: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret inner state")

    monkeypatch.setattr("fraud_scorer.pipeline.record.log", broken)
    (found,) = await answers(shared, "array", GOOD)
    assert (found["status"], found["item"]) == (500, 0)
    assert "secret" not in json.dumps(found)
    assert "secret inner state" in caplog.text
