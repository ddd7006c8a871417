"""docs/reference: every field of a resource, from the schema that the API server enforces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fraud_operator.api.crd import Resource, crd

_HEADER = "<!-- Made by `make generate` from operator/fraud_operator/api. Do not edit. -->\n"


def reference(resource: Resource) -> str:
    """A Markdown page: fields, rules, columns."""
    version = crd(resource)["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    parts = [
        f"{_HEADER}\n# {resource.kind}\n",
        f"{resource.description}\n",
        f"`kubectl explain {resource.kind.lower()}.spec` says the same.\n",
        "## spec\n",
        _table(schema["properties"]["spec"], "spec"),
        "## Rules\n",
        "The API server refuses an object that breaks one of these, with this message.\n",
        # As code, or the patterns in them would be links.
        "".join(f"- `{message}`\n" for message in _rules(schema)),
        "## status\n",
        _table(schema["properties"]["status"], "status"),
        "## Columns of `kubectl get`\n",
        "".join(
            f"- **{column['name']}**: {column['description']}"
            + (" With `-o wide`." if column.get("priority") else "")
            + "\n"
            for column in version["additionalPrinterColumns"]
        ),
    ]
    return "\n".join(parts)


def _table(schema: dict[str, Any], path: str) -> str:
    rows = "".join(
        f"| `{at}`{' (required)' if required else ''} | {_type(field)} | {_description(field)} |\n"
        for at, field, required in _fields(schema, path)
    )
    return f"| Field | Type | What it is |\n| --- | --- | --- |\n{rows}"


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, field in schema.get("properties", {}).items():
        at = f"{path}.{name}"
        yield at, field, name in schema.get("required", ())
        yield from _fields(field, at)
        if field.get("type") == "array":
            yield from _fields(field["items"], f"{at}[]")


def _type(field: dict[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    match field["type"]:
        case "array":
            return f"list of {_type(field['items'])}, at most {field['maxItems']}"
        case "object" if "additionalProperties" in field:
            return (
                f"map of {_type(field['additionalProperties'])}, at most {field['maxProperties']}"
            )
        case "integer" if "minimum" in field and "maximum" in field:
            return f"integer, {field['minimum']} to {field['maximum']}"
        case kind:
            return str(kind)


def _description(field: dict[str, Any]) -> str:
    return str(field["description"]).replace("|", "\\|")


def _rules(schema: dict[str, Any]) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield str(rule["message"])
    for name, field in schema.get("properties", {}).items():
        if name != "status":
            yield from _rules(field)
    if schema.get("type") == "array":
        yield from _rules(schema["items"])
