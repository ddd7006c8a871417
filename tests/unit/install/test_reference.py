"""The reference page names every field and every rule."""

from fraud_operator.api.crd import FRAUD_DETECTOR
from fraud_operator.install.reference import reference
from tests.support.rules import CASES


def test_fields_and_rules():
    page = reference(FRAUD_DETECTOR)
    assert "| `spec.model.source.s3.bucket` (required) | string |" in page
    assert "| `spec.scorer.extraEnv[].valueFrom.secretKeyRef.key` (required) |" in page
    assert "| `status.model.quarantined[].reason` (required) |" in page
    for case in CASES:
        assert case.message in page
