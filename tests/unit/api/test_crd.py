"""The CRD: what it says beside the schemas, and that every rule has a case that tests it."""

from fraud_operator.api.crd import FRAUD_DETECTOR, crd
from fraud_operator.api.frauddetector import FraudDetectorSpec
from tests.support.rules import CASES, CHANGES

VERSION = crd(FRAUD_DETECTOR)["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]


def walk(schema, path=""):
    """Every schema with its path; those of list items end with []."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")


def test_an_object_without_a_status_is_not_taken_for_a_finished_one():
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_nothing_is_defaulted_into_the_spec():
    for path, schema in walk(SCHEMA["properties"]["spec"], "spec"):
        assert "default" not in schema, path


def test_every_field_has_a_description():
    for path, schema in walk(SCHEMA, ""):
        if path not in ("", ".metadata") and not path.endswith("[]"):
            assert "description" in schema, path
            assert schema["description"], path


def test_there_is_no_float_anywhere():
    assert [path for path, schema in walk(SCHEMA, "") if schema.get("type") == "number"] == []


def test_the_scale_paths_lead_to_fields():
    paths = dict(walk(SCHEMA, ""))
    for path in VERSION["subresources"]["scale"].values():
        assert path in paths


def test_the_columns_lead_to_fields():
    paths = dict(walk(SCHEMA, ""))
    for column in VERSION["additionalPrinterColumns"]:
        if column["jsonPath"].startswith(".status") and "[?" not in column["jsonPath"]:
            assert column["jsonPath"] in paths, column["name"]
    first = [one["name"] for one in VERSION["additionalPrinterColumns"] if "priority" not in one]
    assert first == ["Ready", "Model", "Replicas", "TPS budget", "Age"]


def test_every_rule_has_a_case():
    messages = {
        rule["message"]
        for path, schema in walk(SCHEMA, "")
        for rule in schema.get("x-kubernetes-validations", ())
        if path  # the name's rule is on the whole object, and has tests of its own
    }
    assert messages == {case.message for case in (*CASES, *CHANGES)}


def test_every_rule_of_the_models_is_in_the_crd():
    def rules(model):
        yield from model.rules
        for field in model.model_fields.values():
            for inner in _models(field.annotation):
                yield from rules(inner)

    wanted = {rule.message for rule in rules(FraudDetectorSpec)}
    found = {
        rule["message"]
        for _, schema in walk(SCHEMA, "")
        for rule in schema.get("x-kubernetes-validations", ())
    }
    assert wanted <= found


def _models(annotation):
    import typing

    from fraud_operator.api.fields import Fields

    if isinstance(annotation, type) and issubclass(annotation, Fields):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)
