"""The words in which OpenAPI tells of an operation: bodies, answers, problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fraud_scorer.http.asgi import JSON
from fraud_scorer.problem import MEDIA_TYPE

Schema = dict[str, Any]

_PROBLEMS = {
    "400": "The body is not JSON.",
    "404": "There is no such model, or version.",
    "408": "The request did not arrive in time.",
    "413": "The body is too large, or has too many transactions.",
    "415": "The body is of a media type that is not taken here.",
    "422": "A field is missing, unknown or not what it must be.",
    "500": "The service failed, and logged how.",
    "431": "The header is too large.",
    "503": "Overloaded, or no model is ready; see Retry-After.",
}
WITH_BODY = ("400", "408", "413", "415", "422", "431", "500", "503")
WITHOUT_BODY = ("431", "500", "503")


def ref(name: str) -> Schema:
    """The schema of that type."""
    return {"$ref": f"#/components/schemas/{name}"}


def content(schema: Schema, *media: str, example: Any = None) -> dict[str, Any]:
    """A body of one of these media types, JSON if none is said."""
    described = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return dict.fromkeys(media or (JSON,), described)


def operation(
    name: str,
    summary: str,
    answer: Mapping[str, Any],
    *,
    body: Mapping[str, Any] | None = None,
    problems: Iterable[str] = WITHOUT_BODY,
    problem: Mapping[str, Any] | None = None,
    said: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """An operation. `answer` and `body` are contents by media type; so is `problem`, where it is
    not the common document; `said` is what a problem means here, where it means something of its
    own."""
    meaning = {**_PROBLEMS, **(said or {})}
    what = problem or content(ref("ProblemDocument"), MEDIA_TYPE)
    described: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "OK", "content": dict(answer)},
            **{status: {"description": meaning[status], "content": what} for status in problems},
        },
    }
    if body is not None:
        described["requestBody"] = {"required": True, "content": dict(body)}
    return described
