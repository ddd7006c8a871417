"""Parsing: what the CRD would refuse, and what this operator does not know, is refused by field."""

import pytest

from fraud_operator.api.frauddetector import FraudDetector, InvalidSpec
from tests.support.rules import CASES, MINIMAL, merged


def parse(spec, name="card-payments"):
    return FraudDetector.parse(
        {"metadata": {"name": name, "namespace": "a", "uid": "u", "generation": 4}, "spec": spec}
    )


def refused(spec, **given) -> InvalidSpec:
    with pytest.raises(InvalidSpec) as error:
        parse(spec, **given)
    return error.value


def test_the_smallest_detector():
    one = parse(MINIMAL)
    assert (one.name, one.namespace, one.uid, one.generation) == ("card-payments", "a", "u", 4)
    assert one.status == {}
    assert one.spec.suspend is None
    assert one.spec.scorer.replicas is None


def test_what_was_left_out_stays_out():
    assert parse(MINIMAL).spec.model_dump(by_alias=True, exclude_defaults=True) == MINIMAL


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_holds_in_code_too(case):
    parse(merged(case.accepted))
    assert (case.in_code or case.message) in str(refused(merged(case.refused)))


def test_each_wrong_field_is_named():
    error = refused(
        {
            "model": {"source": {"s3": {"bucket": "B", "more": 1}}},
            "scorer": {"replicas": "3", "nodeSelector": {"a b": "c"}},
        }
    )
    assert {one.path for one in error.errors} == {
        "spec.model.source.s3.bucket",
        "spec.model.source.s3.more",
        "spec.scorer.replicas",
        "spec.scorer.nodeSelector.a b",
    }
    assert "upgrade the operator" in str(error)


def test_a_missing_section_is_named():
    assert str(refused({})) == "spec.model: Field required"
    assert "spec.model" in str(refused(None))


@pytest.mark.parametrize("name", ["1a", "a" * 41, "a.b", "A", "a-"])
def test_a_name_that_services_cannot_have(name):
    assert refused(MINIMAL, name=name).errors[0].path == "metadata.name"


@pytest.mark.parametrize("name", ["a", "a" * 40, "card-payments-2"])
def test_a_name_that_they_can(name):
    assert parse(MINIMAL, name=name).name == name


def test_nothing_can_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        parse(MINIMAL).spec.suspend = True
