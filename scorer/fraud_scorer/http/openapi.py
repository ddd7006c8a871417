"""The API's description (OpenAPI 3.1), made from the types that decode and encode it.

What the features may be comes from the manifest of the model that answers, so that the document of
a running service is exact about them.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec

from fraud_scorer.artifact.manifest import Feature, Manifest
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest
from fraud_scorer.problem import MEDIA_TYPE, ProblemDocument

_PROBLEMS = {
    "400": "The body is not JSON.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "422": "A field is missing, unknown or not what it must be.",
    "503": "Overloaded, or no model is ready; see Retry-After.",
}


def describe(manifest: Manifest) -> dict[str, Any]:
    """The document, for a service that answers with this model."""
    _, schemas = msgspec.json.schema_components(
        [ScoreRequest, ScoreAnswer, ProblemDocument],
        ref_template="#/components/schemas/{name}",
    )
    schemas["ScoreRequest"]["properties"]["features"] = _features(manifest)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Fraud scores by {manifest.model}",
            "version": version("fraudops"),
            "description": f"Answers with version {manifest.version} ({manifest.digest}).",
        },
        "paths": {
            "/v1/score": {"post": _score()},
            "/health": {"get": _get("health", "Whether the service answers, and with which model")},
            "/openapi.json": {"get": _get("openapi", "This document")},
        },
        "components": {"schemas": schemas},
    }


def _score() -> dict[str, Any]:
    return {
        "operationId": "score",
        "summary": "The probability of fraud of one transaction, and what to do",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("ScoreRequest")}},
        },
        "responses": {
            "200": {
                "description": "Scored.",
                "content": {"application/json": {"schema": _ref("ScoreAnswer")}},
            },
            **{status: _problem(text) for status, text in _PROBLEMS.items()},
        },
    }


def _get(operation: str, summary: str) -> dict[str, Any]:
    body = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {"200": {"description": "OK", "content": body}},
    }


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": _ref("ProblemDocument")}},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _features(manifest: Manifest) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "The model's inputs by name: all of them, and no others.",
        "properties": {feature.name: _feature(feature) for feature in manifest.features},
        "required": [feature.name for feature in manifest.features],
        "additionalProperties": False,
    }


def _feature(feature: Feature) -> dict[str, Any]:
    if feature.type == "number":
        low, high = feature.bounds
        schema: dict[str, Any] = {"type": "number", "minimum": low, "maximum": high}
    else:
        schema = {"type": "string"}
        if feature.categories is not None:
            schema["enum"] = list(feature.categories)
    return {"anyOf": [schema, {"type": "null"}]} if feature.nullable else schema
