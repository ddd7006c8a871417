"""The protocol's paths as OpenAPI tells of them."""

from __future__ import annotations

from typing import Any

from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.http.asgi import JSON
from fraud_scorer.http.oip import binary
from fraud_scorer.http.oip.messages import (
    InferProblem,
    InferRequest,
    InferResponse,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
)
from fraud_scorer.http.oip.outputs import OUTPUTS
from fraud_scorer.http.operations import WITH_BODY, WITHOUT_BODY, content, operation, ref
from fraud_scorer.problem import MEDIA_TYPE
from fraud_scorer.registry.inputs import example_features, sent

TYPES = (
    *(InferRequest, InferResponse, InferProblem, ModelMetadata, ModelReady),
    *(ServerMetadata, Live, Ready),
)


def paths(manifest: Manifest) -> dict[str, Any]:
    """The paths, for a service that answers with this model."""
    name = _parameter("name", manifest.model)
    versioned = [name, _parameter("version", manifest.version)]
    return {
        "/v2": {"get": _get("v2_server", "Open Inference Protocol: the server", "ServerMetadata")},
        "/v2/health/live": {"get": _get("v2_live", "Whether the server answers", "Live")},
        "/v2/health/ready": {"get": _get("v2_ready", "Whether a model answers", "Ready")},
        **_of_model("/v2/models/{name}", "v2_model", [name], manifest),
        **_of_model("/v2/models/{name}/versions/{version}", "v2_version", versioned, manifest),
    }


def _of_model(
    path: str, operations: str, parameters: list[dict[str, Any]], manifest: Manifest
) -> dict[str, Any]:
    known = (*WITHOUT_BODY, "404")
    about = _get(operations, "What the model takes and gives", "ModelMetadata", known)
    ready = _get(f"{operations}_ready", "Whether that model answers", "ModelReady", known)
    return {
        path: {"get": {"parameters": parameters, **about}},
        f"{path}/ready": {"get": {"parameters": parameters, **ready}},
        f"{path}/infer": {
            "post": {"parameters": parameters, **_infer(f"{operations}_infer", manifest)}
        },
    }


def _get(
    name: str, summary: str, answer: str, problems: tuple[str, ...] = WITHOUT_BODY
) -> dict[str, Any]:
    return operation(name, summary, content(ref(answer)), problems=problems, problem=_problem())


def _infer(name: str, manifest: Manifest) -> dict[str, Any]:
    binaries = content({}, binary.MEDIA_TYPE)
    return operation(
        name,
        "Scores for the rows of tensors",
        content(ref("InferResponse")) | binaries,
        body=content(ref("InferRequest"), example=example(manifest)) | binaries,
        problems=(*WITH_BODY, "404"),
        problem=_problem(),
    )


def example(manifest: Manifest) -> dict[str, Any]:
    """A request that can be sent as it is: one row, whose score is known."""
    values = example_features(manifest)
    inputs = [
        {
            "name": feature.name,
            "shape": [1],
            "datatype": "FP64" if feature.type == "number" else "BYTES",
            "data": [values[feature.name]],
        }
        for feature in sent(manifest)
    ]
    outputs = [{"name": name} for name in OUTPUTS]
    return {"id": "tx-1", "inputs": inputs, "outputs": outputs}


def _problem() -> dict[str, Any]:
    return content(ref("InferProblem"), JSON, MEDIA_TYPE)


def _parameter(name: str, value: str) -> dict[str, Any]:
    schema = {"type": "string", "enum": [value]}
    return {"name": name, "in": "path", "required": True, "schema": schema}
