"""From pydantic models to the structural schemas that Kubernetes takes.

It is general: a new field, section or rule needs no change here. It also keeps the promises that
hold for every field, and refuses (`SchemaError`, with the path) a field without a description, a
string, list or map without a bound (a real API server then refuses CEL rules as too expensive), and
a float. Defaults never reach the schema: the operator resolves them, the API server must not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fraud_operator.api.fields import Fields

Schema = dict[str, Any]

_COPIED = (
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)
_IGNORED = {"title", "default", "description", "anyOf", "properties", "required", "items", "$ref"}
_IGNORED |= {"additionalProperties", "patternProperties", "propertyNames", "const", "$defs"}


class SchemaError(ValueError):
    """A model that breaks a promise of the API; the message begins with the field's path."""


def structural(model: type[Fields], path: str) -> Schema:
    """The schema of `model`, which stands at `path` of the resource."""
    schema = model.model_json_schema(by_alias=True)
    return _Translation(schema.get("$defs", {})).of(schema, path)


class _Translation:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def of(self, schema: Schema, path: str) -> Schema:
        schema = self._flat(schema)
        result: Schema = {}
        if "description" in schema:
            result["description"] = schema["description"]
        if "const" in schema:
            schema = {**schema, "enum": [schema["const"]], "type": "string"}
        result |= {key: schema[key] for key in _COPIED if key in schema}
        if unknown := schema.keys() - _IGNORED - set(_COPIED) - _extensions(schema):
            raise SchemaError(f"{path}: no structural schema for {sorted(unknown)}")
        if schema.get("x-kubernetes-int-or-string"):
            result["anyOf"] = schema["anyOf"]
        result |= {key: schema[key] for key in sorted(_extensions(schema))}
        match schema.get("type"):
            case "object":
                self._object(schema, result, path)
            case "array":
                result["items"] = self.of(schema["items"], f"{path}[]")
                self._bounded("maxItems", result, path)
            case "string" if "enum" not in schema and "format" not in schema:
                self._bounded("maxLength", result, path)
            case "number":
                raise SchemaError(f"{path}: a float; use a decimal string")
            case None if not schema.get("x-kubernetes-int-or-string"):
                raise SchemaError(f"{path}: without a type")
        return result

    def _flat(self, schema: Schema) -> Schema:
        """`schema` with its reference resolved and its `| None` taken away."""
        while True:
            if "$ref" in schema:
                name = schema["$ref"].removeprefix("#/$defs/")
                schema = self._definitions[name] | {k: v for k, v in schema.items() if k != "$ref"}
                continue
            options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
            if len(options) != 1:
                return schema
            schema = options[0] | {key: v for key, v in schema.items() if key != "anyOf"}

    def _object(self, schema: Schema, result: Schema, path: str) -> None:
        if "properties" in schema:
            for name, field in schema["properties"].items():
                if "description" not in field:
                    raise SchemaError(f"{path}.{name}: without a description")
            if "required" in schema:
                result["required"] = schema["required"]
            result["properties"] = {
                name: self.of(field, f"{path}.{name}")
                for name, field in schema["properties"].items()
            }
            return
        match list(schema.get("patternProperties", {}).items()):
            case [(pattern, values)] if "maxLength" in schema.get("propertyNames", {}):
                rule = _key_rule(pattern, schema["propertyNames"]["maxLength"], path)
                result.setdefault("x-kubernetes-validations", []).append(rule)
            case _:
                raise SchemaError(f"{path}: a map without a pattern and maxLength of its keys")
        result["additionalProperties"] = self.of(values, f"{path}.*")
        self._bounded("maxProperties", result, path)

    @staticmethod
    def _bounded(bound: str, result: Schema, path: str) -> None:
        if bound not in result:
            raise SchemaError(f"{path}: without {bound}")


def _extensions(schema: Schema) -> set[str]:
    return {key for key in schema if key.startswith("x-kubernetes-")}


def _key_rule(pattern: str, longest: int, path: str) -> Schema:
    """A structural schema says nothing about keys; CEL does."""
    literal = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return {
        "rule": f"self.all(key, size(key) <= {longest} && key.matches('{literal}'))",
        "message": f"{path}: keys must have at most {longest} characters and match {pattern}",
    }
