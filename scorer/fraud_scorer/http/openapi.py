"""The API's description (OpenAPI 3.1), made from the types that decode and encode it.

What the features may be comes from the manifest of the model that answers, so that the document of
a running service is exact about them; so is its example, a transaction whose score is known.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version
from typing import Any

import msgspec

from fraud_scorer.artifact.manifest import Feature, Manifest
from fraud_scorer.http.asgi import JSON
from fraud_scorer.http.batch import NDJSON, ItemProblem
from fraud_scorer.http.health import Health
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.oip import description as oip
from fraud_scorer.http.operations import WITH_BODY, Schema, content, operation, ref
from fraud_scorer.http.records import description as recorded
from fraud_scorer.pipeline.envelope import ScoreAnswer, ScoreRequest
from fraud_scorer.problem import ProblemDocument
from fraud_scorer.registry.inputs import example_features, sent

_TYPES = (ScoreRequest, ScoreAnswer, Health, ProblemDocument, ItemProblem)


def describe(
    manifest: Manifest, limits: Limits, *, records: Collection[str] = ()
) -> dict[str, Any]:
    """The document, for a service that answers with this model, and at these paths about
    `records`."""
    types = (*_TYPES, *oip.TYPES, *recorded.types(records))
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas["ScoreRequest"]["properties"]["features"] = _features(manifest)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Fraud scores by {manifest.model}",
            "version": version("fraudops"),
            "description": f"Answers with version {manifest.version} ({manifest.digest}).",
        },
        "paths": {
            "/v1/score": {"post": _score(manifest)},
            "/v1/score/batch": {"post": _batch(manifest, limits)},
            **oip.paths(manifest),
            **recorded.paths(limits, records),
            "/health": {"get": _health()},
            "/openapi.json": {"get": _openapi()},
            "/": {"get": _page()},
        },
        "components": {"schemas": schemas},
    }


def example(manifest: Manifest) -> dict[str, Any]:
    """A transaction that can be sent as it is."""
    return {
        "transaction_id": "tx-1",
        "event_time": "2026-01-05T10:00:00Z",
        "entities": {"customer": "c-17", "terminal": "t-4"},
        "amount_minor": 1999,
        "currency": "EUR",
        "features": example_features(manifest),
    }


def _score(manifest: Manifest) -> dict[str, Any]:
    return operation(
        "score",
        "The probability of fraud of one transaction, and what to do",
        content(ref("ScoreAnswer")),
        body=content(ref("ScoreRequest"), example=example(manifest)),
        problems=WITH_BODY,
    )


def _batch(manifest: Manifest, limits: Limits) -> dict[str, Any]:
    """Items are not described as transactions: one that is none gets a problem in its place.

    The schema of lines in an answer is that of all of them together, as OpenAPI 3.2 has it.
    """
    item = {"description": "A transaction, as /v1/score takes it."}
    lines = {"description": "A transaction a line; empty lines do not count."}
    items: Schema = {"type": "array", "maxItems": limits.batch_items, "items": item}
    answers: Schema = {
        "type": "array",
        "items": {"anyOf": [ref("ScoreAnswer"), ref("ItemProblem")]},
    }
    return operation(
        "score_batch",
        "The same of many transactions, each with an answer or a problem of its own",
        content(answers, JSON, NDJSON),
        body=content(items, example=[example(manifest)]) | content(lines, NDJSON),
        problems=WITH_BODY,
    )


def _health() -> dict[str, Any]:
    summary = "Whether the service answers, and with which model"
    return operation("health", summary, content(ref("Health")))


def _openapi() -> dict[str, Any]:
    return operation("openapi", "This document", content({"type": "object"}))


def _page() -> dict[str, Any]:
    html = content({"type": "string"}, "text/html")
    return operation("page", "A page to try it", html, problems=())


def _features(manifest: Manifest) -> Schema:
    return {
        "type": "object",
        "description": "The model's inputs by name: all of them, and no others.",
        "properties": {feature.name: _feature(feature) for feature in sent(manifest)},
        "required": [feature.name for feature in sent(manifest)],
        "additionalProperties": False,
    }


def _feature(feature: Feature) -> Schema:
    if feature.type == "number":
        low, high = feature.bounds
        schema: Schema = {"type": "number", "minimum": low, "maximum": high}
    else:
        schema = {"type": "string"}
        if feature.categories is not None:
            schema["enum"] = list(feature.categories)
    return {"anyOf": [schema, {"type": "null"}]} if feature.nullable else schema
