"""What a spec refers to, and what is said when it is not there."""

import pytest

from fraud_operator.plan.references import STORE_KEYS, missing, references
from fraud_scorer.artifact import credentials
from tests.support.worlds import FULL, MINIMAL, detector


def test_every_secret_that_the_spec_names():
    found = {one.path: (one.name, one.keys) for one in references(detector(FULL))}
    assert found == {
        "spec.model.source.s3.credentialsSecret": ("model-store", STORE_KEYS),
        "spec.scorer.imagePullSecrets[0].name": ("registry", ()),
        "spec.scorer.extraEnv[1].valueFrom.secretKeyRef": ("tokens", (("one",),)),
    }
    assert list(references(detector(MINIMAL))) == []


def test_every_secret_of_the_stores():
    model = {
        "source": {"gcs": {"bucket": "models", "credentialsSecret": "google"}},
        "artifacts": {
            "s3": {
                "bucket": "proven",
                "credentialsSecret": "keys",
                "caBundle": {"secret": {"name": "authorities"}},
            }
        },
    }
    found = {one.path: (one.name, one.keys) for one in references(detector({"model": model}))}
    assert found == {
        "spec.model.source.gcs.credentialsSecret": ("google", (("key.json",),)),
        "spec.model.artifacts.s3.credentialsSecret": ("keys", STORE_KEYS),
        "spec.model.artifacts.s3.caBundle.secret": ("authorities", (("ca.crt",),)),
    }


def test_the_keys_are_those_that_the_scorer_reads():
    assert STORE_KEYS == (credentials.ACCESS_KEY_NAMES, credentials.SECRET_KEY_NAMES)


@pytest.mark.parametrize(
    ("present", "said"),
    [
        (None, "Secret fraud/model-store does not exist: create it"),
        ([], "has no key accessKeyID or AWS_ACCESS_KEY_ID"),
        (["accessKeyID"], "has no key secretAccessKey or AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(present, said):
    reference = next(references(detector(FULL)))
    text = missing(reference, "fraud", present)
    assert text is not None
    assert said in text
    assert "spec.model.source.s3.credentialsSecret" in text


@pytest.mark.parametrize(
    "present",
    [
        ["accessKeyID", "secretAccessKey"],
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "more"],
    ],
)
def test_either_spelling_will_do(present):
    assert missing(next(references(detector(FULL))), "fraud", present) is None
