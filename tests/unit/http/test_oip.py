"""The Open Inference Protocol: the same scores, asked for by tensors.

Requests are written as KServe's and Triton's clients write them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.http.limits import Limits
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import Running, scorer
from tests.unit.http.test_management import scrape, value
from tests.unit.scorer.support import GOLDEN, linear, loaded, publish_to

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "/v2/models/card-payments"
VERSION = f"{MODEL}/versions/v1"


def tensor(name: str, datatype: str, data: Sequence[object], *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def tensors(**changes: Sequence[object]) -> list[dict[str, Any]]:
    """Both golden transactions, a tensor a feature."""
    columns = {name: [each[name] for each in GOLDEN] for name in GOLDEN[0]} | changes
    kinds = {"amount": "FP64", "age": "FP64", "channel": "BYTES", "tier": "BYTES"}
    return [tensor(name, kinds[name], data) for name, data in columns.items()]


async def infer(
    running: Running, inputs: object, path: str = MODEL, **more: object
) -> httpx.Response:
    """As KServe's client does it: it does not say that its body is JSON."""
    body = json.dumps({"inputs": inputs} | more).encode()
    return await running.client.post(f"{path}/infer", content=body)


def outputs(response: httpx.Response) -> dict[str, list[Any]]:
    assert response.status_code == 200, response.text
    return {one["name"]: one["data"] for one in response.json()["outputs"]}


def error(response: httpx.Response) -> tuple[int, list[str]]:
    """The status and the pointers of an error, which is both a problem and the protocol's."""
    document = response.json()
    assert document["status"] == response.status_code
    assert document["type"].startswith("urn:fraudops:problem:")
    assert document["error"] == document["detail"]
    return response.status_code, [one["pointer"] for one in document.get("errors", [])]


async def test_health_and_metadata(shared: Running) -> None:
    get = shared.client.get
    assert (await get("/v2/health/live")).json() == {"live": True}
    assert (await get("/v2/health/ready")).json() == {"ready": True}
    about = (await get("/v2")).json()
    assert about["name"] == "fraudops"
    assert about["extensions"] == ["binary_tensor_data"]
    for path in (MODEL, VERSION):
        assert (await get(f"{path}/ready")).json() == {"name": "card-payments", "ready": True}
        model = (await get(path)).json()
        assert (model["name"], model["versions"]) == ("card-payments", ["v1"])
        assert model["inputs"] == [
            {"name": "amount", "datatype": "FP64", "shape": [-1]},
            {"name": "age", "datatype": "FP64", "shape": [-1]},
            {"name": "channel", "datatype": "BYTES", "shape": [-1]},
            {"name": "tier", "datatype": "BYTES", "shape": [-1]},
        ]
        assert [(one["name"], one["datatype"]) for one in model["outputs"]] == [
            ("score", "FP64"),
            ("decision", "BYTES"),
            ("prediction_id", "BYTES"),
            ("reasons", "BYTES"),
            ("version", "BYTES"),
        ]


async def test_the_scores_are_those_of_the_other_route(shared: Running, model: LoadedModel) -> None:
    response = await infer(shared, tensors(), VERSION, id="request-7", model_name="card-payments")
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert (body["model_name"], body["model_version"], body["id"]) == (
        *("card-payments", "v1"),
        "request-7",
    )
    found = outputs(response)
    assert found["score"] == [one.score for one in model.manifest.golden]
    assert found["decision"] == ["approve", "review"]
    assert found["version"] == ["v1", "v1"]
    assert len(set(found["prediction_id"])) == 2
    assert [json.loads(each) for each in found["reasons"]] == [[], []]
    assert all(one["shape"] == [2] for one in body["outputs"])


async def test_a_request_without_id_has_an_answer_without(shared: Running) -> None:
    assert "id" not in (await infer(shared, tensors())).json()


async def test_shapes_of_one_column(shared: Running) -> None:
    flat = outputs(await infer(shared, tensors()))["score"]
    standing = [one | {"shape": [2, 1]} for one in tensors()]
    assert outputs(await infer(shared, standing))["score"] == flat
    nested = [one | {"data": [[value] for value in one["data"]]} for one in standing]
    assert outputs(await infer(shared, nested))["score"] == flat


async def test_only_the_outputs_that_were_asked_for(shared: Running) -> None:
    wanted = [{"name": "decision"}, {"name": "score", "parameters": {"binary_data": False}}]
    response = await infer(shared, tensors(), outputs=wanted)
    assert list(outputs(response)) == ["decision", "score"]


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model of two numbers."""
    folder = tmp_path_factory.mktemp("numbers")
    features = (Feature(name="a", type="number"), Feature(name="b", type="number", maximum=100))
    publish_to(folder, estimator=linear(), features=features, golden=[{"a": 0.1, "b": 1.0}])
    return loaded(folder)


async def test_one_matrix_for_a_model_of_numbers(numbers: LoadedModel) -> None:
    golden = numbers.manifest.golden[0].score
    async with scorer(numbers) as running:
        rows = [[0.1, 1.0], [5.0, 5.0]]
        nested = outputs(await infer(running, [tensor("input-0", "FP64", rows, 2, 2)]))
        flat = outputs(await infer(running, [tensor("x", "FP64", [0.1, 1.0, 5, 5], 2, 2)]))
        columns = [tensor("b", "INT64", [1, 5]), tensor("a", "FP64", [0.1, 5.0])]
        apart = outputs(await infer(running, columns))
        assert nested["score"] == flat["score"] == apart["score"]
        assert nested["score"][0] == golden

        assert error(await infer(running, [tensor("x", "FP64", [1, 2, 3, 400], 2, 2)])) == (
            *(422, ["#/inputs/0/data/3"]),
        )
        rows = [[1.0, 2.0], [3.0, 400.0]]
        assert error(await infer(running, [tensor("x", "FP64", rows, 2, 2)])) == (
            *(422, ["#/inputs/0/data/1/1"]),
        )
        assert error(await infer(running, [tensor("x", "FP64", [1, 2, 3], 1, 3)])) == (
            *(422, ["#/inputs/0/shape"]),
        )
        single = outputs(await infer(running, [tensor("x", "FP32", [0.1, 1.0], 1, 2)]))
        as_held = struct.unpack("f", struct.pack("f", 0.1))[0]
        held = outputs(await infer(running, [tensor("x", "FP64", [as_held, 1.0], 1, 2)]))
        assert single["score"] == held["score"] != [golden]


async def test_a_matrix_has_no_place_for_categories(shared: Running) -> None:
    response = await infer(shared, [tensor("x", "FP64", [1, 2, 3, 4], 1, 4)])
    assert error(response) == (422, ["#/inputs/0"])
    assert "channel" in response.json()["error"]


def changed(index: int, **changes: object) -> list[dict[str, Any]]:
    inputs = tensors()
    inputs[index] |= changes
    return inputs


@pytest.mark.parametrize(
    ("inputs", "pointers"),
    [
        ([], ["#/inputs"]),
        (tensors()[:2], ["#/inputs", "#/inputs"]),
        ([*tensors(), tensor("extra", "FP64", [1, 2])], ["#/inputs/4/name"]),
        ([*tensors(), tensors()[0]], ["#/inputs/4/name"]),
        (tensors(amount=[1.0, -1.0]), ["#/inputs/0/data/1"]),
        (tensors(amount=[1.0, None]), ["#/inputs/0/data/1"]),
        (tensors(amount=["1", 2.0]), ["#/inputs/0/data/0"]),
        (tensors(amount=[True, 2.0]), ["#/inputs/0/data/0"]),
        (tensors(tier=["gold", "tin"]), ["#/inputs/3/data/1"]),
        (tensors(tier=["gold", 5]), ["#/inputs/3/data/1"]),
        (tensors(amount=[1.0]), ["#/inputs/1/shape"]),
        (changed(1, shape=[3]), ["#/inputs/1/shape"]),
        (changed(1, shape=[2, 2]), ["#/inputs/1/shape"]),
        (changed(1, shape=[1, 1, 2]), ["#/inputs/1/shape"]),
        (changed(0, shape=[3]), ["#/inputs/0/data"]),
        (changed(0, shape=[-2]), ["#/inputs/0/shape/0"]),
        (changed(0, data=[[1.0], [2.0, 3.0]]), ["#/inputs/0/data/1"]),
        (changed(0, datatype="FP16"), ["#/inputs/0/datatype"]),
        (changed(0, datatype="BYTES"), ["#/inputs/0/datatype"]),
        (changed(2, datatype="FP64"), ["#/inputs/2/datatype"]),
        (changed(0, datatype="INT64"), ["#/inputs/0/data/0"]),
        (changed(0, datatype="UINT8", data=[1, 256]), ["#/inputs/0/data/1"]),
        (changed(0, data=[10**400, 1]), ["#/inputs/0/data/0"]),
        (changed(0, data="AAAA"), ["#/inputs/0/data"]),
        (changed(0, other=1), ["#/inputs/0/other"]),
        (changed(0, parameters={"other": 1}), ["#/inputs/0/parameters/other"]),
        ([{"name": "amount", "shape": [1], "datatype": "FP64"}], ["#/inputs/0/data"]),
        ([{"name": "amount", "shape": [1], "data": []}], ["#/inputs/0/datatype"]),
    ],
)
async def test_wrong_tensors(shared: Running, inputs: object, pointers: list[str]) -> None:
    assert error(await infer(shared, inputs)) == (422, pointers)


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"model_name": "other"}, "#/model_name"),
        ({"outputs": [{"name": "nothing"}]}, "#/outputs/0/name"),
        ({"outputs": [{"name": "score", "parameters": {"top": 1}}]}, "#/outputs/0/parameters/top"),
        ({"parameters": {"other": 1}}, "#/parameters/other"),
        ({"parameters": {"currency": "euro"}}, "#/parameters/currency"),
        ({"parameters": {"amount_minor": -1}}, "#/parameters/amount_minor"),
        ({"parameters": {"event_time": "yesterday"}}, "#/parameters/event_time"),
        ({"parameters": {"event_time": "2999-01-01T00:00:00Z"}}, "#/parameters/event_time"),
        ({"parameters": {"entities.customer": ""}}, "#/parameters/entities.customer"),
        ({"parameters": {"entities.Customer": "c"}}, "#/parameters/entities.Customer"),
        ({"parameters": {"entities.customer": 5}}, "#/parameters/entities.customer"),
        ({"parameters": {"transaction_id": ""}}, "#/parameters/transaction_id"),
        ({"parameters": {"transaction_id": 5}}, "#/parameters/transaction_id"),
        ({"id": "x" * 127}, "#/id"),
        ({"extra": 1}, "#/extra"),
        ({"id": 5}, "#/id"),
    ],
)
async def test_a_wrong_request(shared: Running, more: dict[str, object], pointer: str) -> None:
    assert error(await infer(shared, tensors(), **more)) == (422, [pointer])


async def test_what_is_not_json(shared: Running) -> None:
    for body in (b"", b"{", b"\xff"):
        response = await shared.client.post(f"{MODEL}/infer", content=body)
        assert error(response) == (400, [])


async def test_another_model_or_version_is_not_there(shared: Running) -> None:
    for path in ("/v2/models/other", f"{MODEL}/versions/v2", "/v2/models/card-payments%2Fv1"):
        for response in (
            await shared.client.get(path),
            await shared.client.get(f"{path}/ready"),
            await infer(shared, tensors(), path),
        ):
            assert error(response) == (404, [])
            assert "card-payments, version v1" in response.json()["error"]


async def test_errors_are_what_the_client_reads(shared: Running) -> None:
    """KServe's client shows errors of the type application/json only."""
    for accept, expected in (
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/problem+json, */*;q=0.1", "application/problem+json"),
    ):
        response = await shared.client.get("/v2/models/other", headers={"accept": accept})
        assert response.headers["content-type"] == expected
        error(response)


async def test_without_a_model_nothing_is_ready() -> None:
    async with scorer(None) as running:
        assert (await running.client.get("/v2/health/live")).status_code == 200
        assert error(await running.client.get("/v2/health/ready")) == (503, [])
        assert error(await running.client.get(f"{MODEL}/ready")) == (503, [])
        assert error(await infer(running, tensors())) == (503, [])


async def test_rows_are_transactions_like_any_other(
    model: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    async with scorer(model) as running:
        with caplog.at_level("DEBUG", logger="fraud_scorer.predictions"):
            found = outputs(await infer(running, tensors(), id="r-1"))
            parameters = {"transaction_id": "t-9", "entities.customer": "c-1", "currency": "EUR"}
            one = [each | {"data": each["data"][:1], "shape": [1]} for each in tensors()]
            outputs(await infer(running, one, id="r-2", parameters=parameters))
            outputs(await infer(running, one, id="r-3"))
        samples = await scrape(running)
    recorded = [vars(each) for each in caplog.records if each.name == "fraud_scorer.predictions"]
    ids = [each["transaction_id"] for each in recorded]
    assert ids == ["r-1/0", "r-1/1", "t-9", "r-3"]
    assert [each["prediction_id"] for each in recorded[:2]] == found["prediction_id"]
    assert value(samples, "fraud_scorer_score_count", version="v1", role="active") == 4
    route = "/v2/models/{name}/infer"
    assert value(samples, "fraud_scorer_requests_total", route=route, status="200") == 3


async def test_where_one_row_is_wrong_none_is_scored(model: LoadedModel) -> None:
    async with scorer(model) as running:
        assert error(await infer(running, tensors(tier=["gold", "tin"])))[0] == 422
        outputs(await infer(running, tensors()))
        samples = await scrape(running)
    assert value(samples, "fraud_scorer_score_count", version="v1", role="active") == 2


async def test_too_many_rows_or_bytes(model: LoadedModel) -> None:
    async with scorer(model, limits=Limits(batch_items=1, batch_bytes=2000)) as running:
        assert error(await infer(running, tensors())) == (413, [])
        assert error(await infer(running, tensors(), id="x" * 2000)) == (413, [])


def binary(*columns: tuple[str, str, bytes], **more: object) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request whose tensors follow its JSON."""
    inputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": [2],
            "parameters": {"binary_data_size": len(data)},
        }
        for name, datatype, data in columns
    ]
    head = json.dumps({"inputs": inputs} | more).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
    }
    return head + b"".join(data for _, _, data in columns), headers


def texts(*values: str) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each.encode() for each in values)


BINARY = (
    ("amount", "FP64", struct.pack("<2d", 9.5, 950.0)),
    ("age", "FP32", struct.pack("<2f", 3.0, float("nan"))),
    ("channel", "BYTES", texts("app", "web")),
    ("tier", "BYTES", texts("gold", "iron")),
)


async def send(running: Running, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return await running.client.post(f"{MODEL}/infer", content=body, headers=headers)


async def test_binary_tensors(shared: Running, model: LoadedModel) -> None:
    """As clients send NumPy arrays; NaN is null."""
    response = await send(shared, *binary(*BINARY))
    assert outputs(response)["score"] == [one.score for one in model.manifest.golden]


async def test_binary_answers(shared: Running, model: LoadedModel) -> None:
    response = await send(shared, *binary(*BINARY, parameters={"binary_data_output": True}))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    at = int(response.headers["inference-header-content-length"])
    head, rest = json.loads(response.content[:at]), response.content[at:]
    sizes = {one["name"]: one["parameters"]["binary_data_size"] for one in head["outputs"]}
    assert sum(sizes.values()) == len(rest)
    assert list(struct.unpack("<2d", rest[:16])) == [one.score for one in model.manifest.golden]
    assert rest[16:].startswith(texts("approve", "review"))

    wanted = [{"name": "decision", "parameters": {"binary_data": True}}, {"name": "score"}]
    response = await send(shared, *binary(*BINARY, outputs=wanted))
    at = int(response.headers["inference-header-content-length"])
    assert response.content[at:] == texts("approve", "review")
    assert json.loads(response.content[:at])["outputs"][1]["data"]


@pytest.mark.parametrize(
    ("index", "data", "pointer"),
    [
        (0, b"\0" * 15, "#/inputs/0/parameters/binary_data_size"),
        (0, b"\0" * 8, "#/inputs/0/data"),
        (2, b"\5\0\0\0app", "#/inputs/2/parameters/binary_data_size"),
        (2, b"\5\0", "#/inputs/2/parameters/binary_data_size"),
        (2, b"\1\0\0\0\xff\0\0\0\0", "#/inputs/2/parameters/binary_data_size"),
        (0, struct.pack("<2d", 1.0, float("inf")), "#/inputs/0/data/1"),
    ],
)
async def test_wrong_binary_tensors(shared: Running, index: int, data: bytes, pointer: str) -> None:
    columns = list(BINARY)
    columns[index] = (*columns[index][:2], data)
    assert error(await send(shared, *binary(*columns))) == (422, [pointer])


async def test_binary_sizes_that_lie(shared: Running) -> None:
    body, headers = binary(*BINARY)
    assert error(await send(shared, body + b"more", headers)) == (422, ["#/inputs"])
    pointer = "#/inputs/3/parameters/binary_data_size"
    assert error(await send(shared, body[:-1], headers)) == (422, [pointer])
    for length in ("-1", "x", str(len(body) + 1), "9" * 5000):
        wrong = headers | {"inference-header-content-length": length}
        assert error(await send(shared, body, wrong)) == (422, [])
