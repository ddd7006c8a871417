"""The generator: from any pydantic model to a schema that a real API server takes."""

from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, StringConstraints

from fraud_operator.api.fields import Fields, Rule, exactly_one
from fraud_operator.api.schema import SchemaError, structural

Short = Annotated[str, StringConstraints(max_length=8)]


class Inner(Fields):
    """A docstring is for developers."""

    name: Short = Field(description="Its name.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.name != 'x'", "spec.inner.name must not be x", lambda one: one.name != "x"),
    )


class Everything(Fields):
    """One field of each kind."""

    required_text: Annotated[str, StringConstraints(pattern="^a+$", min_length=1, max_length=3)] = (
        Field(description="Text.")
    )
    number: Annotated[int, Field(ge=1, le=5)] | None = Field(None, description="A number.")
    truth: bool | None = Field(None, description="True or not.")
    choice: Literal["A", "B"] | None = Field(None, description="One of two.")
    inner: Inner | None = Field(None, description="A section.")
    inner_with_default: Inner = Field(Inner(name="a"), description="A section of its own.")
    many: Annotated[list[Inner], Field(max_length=2)] | None = Field(
        None,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        description="Sections.",
    )
    table: (
        Annotated[
            dict[Annotated[str, StringConstraints(pattern="^k\\.", max_length=5)], Short],
            Field(max_length=4),
        ]
        | None
    ) = Field(None, description="A map.")


def test_every_kind_of_field():
    inner = {
        "type": "object",
        "x-kubernetes-validations": [
            {"rule": "self.name != 'x'", "message": "spec.inner.name must not be x"}
        ],
        "required": ["name"],
        "properties": {"name": {"description": "Its name.", "type": "string", "maxLength": 8}},
    }
    assert structural(Everything, "spec") == {
        "type": "object",
        "required": ["requiredText"],
        "properties": {
            "requiredText": {
                "description": "Text.",
                "type": "string",
                "pattern": "^a+$",
                "minLength": 1,
                "maxLength": 3,
            },
            "number": {"description": "A number.", "type": "integer", "minimum": 1, "maximum": 5},
            "truth": {"description": "True or not.", "type": "boolean"},
            "choice": {"description": "One of two.", "type": "string", "enum": ["A", "B"]},
            "inner": {"description": "A section.", **inner},
            "innerWithDefault": {"description": "A section of its own.", **inner},
            "many": {
                "description": "Sections.",
                "type": "array",
                "maxItems": 2,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": inner,
            },
            "table": {
                "description": "A map.",
                "type": "object",
                "maxProperties": 4,
                "additionalProperties": {"type": "string", "maxLength": 8},
                "x-kubernetes-validations": [
                    {
                        "rule": "self.all(key, size(key) <= 5 && key.matches('^k\\\\.'))",
                        "message": "spec.table: keys must have at most 5 characters"
                        " and match ^k\\.",
                    }
                ],
            },
        },
    }


def a(type_, **field):
    annotations = {"field": type_}
    return type("Model", (Fields,), {"__annotations__": annotations, "field": Field(**field)})


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (a(bool), "spec.field: without a description"),
        (a(str, description="Text."), "spec.field: without maxLength"),
        (a(list[bool], description="Many."), "spec.field: without maxItems"),
        (a(float, description="A fraction."), "spec.field: a float; use a decimal string"),
        (a(dict[str, bool], description="A map."), "spec.field: a map without a pattern"),
        (a(int | bool, description="Either."), "spec.field: without a type"),
    ],
)
def test_a_broken_promise_is_refused_with_its_path(model, complaint):
    with pytest.raises(SchemaError) as error:
        structural(model, "spec")
    assert str(error.value).startswith(complaint)


def test_exactly_one():
    rule = exactly_one("spec.source", "s3", "pvc_name")
    assert rule.cel == "[has(self.s3), has(self.pvcName)].filter(set, set).size() == 1"
    assert rule.message == "spec.source: set exactly one of s3, pvcName"

    class Source(Fields):
        s3: bool | None = None
        pvc_name: bool | None = None

    assert [
        rule.holds(Source(s3=s3, pvc_name=pvc)) for s3 in (None, True) for pvc in (None, True)
    ] == [False, True, True, False]
