"""What every section of a resource is made of: `Fields`, `Rule`, and the error of a bad spec.

A rule between fields is written once, as CEL for the API server and as a check for this process:
the CRD carries the first, `Fields` enforces the second, so an object that came through an older or
laxer server is still refused. CEL is limited to what Kubernetes 1.25 knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule between the fields of one section.

    `cel` is evaluated with the section as `self`; `holds` gets the section and must agree with it.
    `message` is what a user reads: it names the fields by their path and says what to set.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]


def exactly_one(path: str, *fields: str) -> Rule:
    """Exactly one of the fields must be set."""
    listed = ", ".join(f"has(self.{to_camel(field)})" for field in fields)
    names = ", ".join(to_camel(field) for field in fields)
    return Rule(
        cel=f"[{listed}].filter(set, set).size() == 1",
        message=f"{path}: set exactly one of {names}",
        holds=lambda section: sum(getattr(section, field) is not None for field in fields) == 1,
    )


class Fields(BaseModel):
    """One section: immutable, camelCase outside, nothing converted, nothing unknown accepted."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema.pop("description", None)  # a field's description is for users, a docstring is not
        if cls.rules:
            schema["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": rule.message} for rule in cls.rules
            ]
        return schema

    @model_validator(mode="after")
    def _obey_rules(self) -> Fields:
        for rule in self.rules:
            if not rule.holds(self):
                raise PydanticCustomError("rule", "{message}", {"message": rule.message})
        return self


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `path` begins with `spec` or `metadata`."""

    path: str
    message: str

    def __str__(self) -> str:
        # A rule's message names its fields itself.
        return (
            self.message
            if self.message.startswith(("spec.", "metadata."))
            else f"{self.path}: {self.message}"
        )


class InvalidSpec(ValueError):
    """A resource that this operator cannot act upon. `errors` names each field; never empty."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


T = TypeVar("T", bound="Fields")


def validated(cls: type[T], data: Mapping[str, Any], at: str) -> T:
    """`data` as `cls`. Raises InvalidSpec, with paths that begin with `at`."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        raise InvalidSpec(tuple(_located(one, at) for one in error.errors())) from None


def _located(error: ErrorDetails, at: str) -> FieldError:
    path = at
    for step in error["loc"]:
        if step == "[key]":  # a key of a map is already named by the step before
            continue
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    if error["type"] == "extra_forbidden":
        return FieldError(
            path,
            "this version of the operator does not know the field;"
            " remove it, or upgrade the operator",
        )
    return FieldError(path, error["msg"])
