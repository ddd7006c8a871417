"""The API's description is valid, and what the service takes and gives is as described."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from openapi_spec_validator import validate

from fraud_scorer.http.limits import Limits
from fraud_scorer.http.openapi import describe
from fraud_scorer.registry.loaded import LoadedModel
from tests.unit.http.support import Running
from tests.unit.scorer.support import GOLDEN, transaction

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def document(shared: Running) -> dict[str, Any]:
    response = await shared.client.get("/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def schema(document: dict[str, Any], name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


async def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)


async def test_every_path_in_it_answers(shared: Running, document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            only = {
                each["name"]: each["schema"]["enum"][0]
                for each in operation.get("parameters", ())
                if each["in"] == "path"
            }
            response = await shared.client.request(method, path.format(**only))
            assert response.status_code not in (404, 405)


async def test_request_and_answer_are_as_described(
    shared: Running, document: dict[str, Any]
) -> None:
    schema(document, "ScoreRequest").validate(transaction())
    schema(document, "ScoreAnswer").validate((await shared.score(transaction())).json())
    problem = (await shared.score(transaction(currency="x"))).json()
    schema(document, "ProblemDocument").validate(problem)


async def test_it_is_valid_with_records(model: LoadedModel) -> None:
    served = ["/v1/labels", "/v1/transactions/{id}", "/v1/users/{id}/features", "/v1/lists"]
    document = json.loads(json.dumps(describe(model.manifest, Limits(), records=served)))
    validate(document)
    assert set(served) <= document["paths"].keys()
    types = document["components"]["schemas"]
    schema(document, "Label").validate(
        document["paths"]["/v1/labels"]["post"]["requestBody"]["content"]["application/json"][
            "example"
        ]
    )
    assert {"Known", "Answered", "Shadowed", "Word"} <= types.keys()

    without = describe(model.manifest, Limits(), records=served[:-1])
    validate(json.loads(json.dumps(without)))
    assert document["paths"].keys() - without["paths"].keys() == {"/v1/lists"}
    assert "Word" not in without["components"]["schemas"]


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "9"},
        {"amount": None},
        {"amount": -1},
        {"amount": 1e39},
        {"channel": 5},
        {"tier": "tin"},
        {"extra": 1},
    ],
)
async def test_what_it_forbids_is_refused(
    shared: Running, document: dict[str, Any], changes: dict[str, Any]
) -> None:
    request = transaction(GOLDEN[0] | changes)
    assert not schema(document, "ScoreRequest").is_valid(request)
    assert (await shared.score(request)).status_code == 422
