"""Where a spec's stores are, and what pods mount to ask there."""

from __future__ import annotations

from typing import Any

import pytest

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.store_location import (
    artifacts_of,
    credentials_volume,
    location_of,
    source_of,
)
from fraud_scorer.artifact.plan import GCSLocation, S3Location, StoreLocation


def detector(**model: Any) -> FraudDetector:
    return FraudDetector.parse(
        {
            "apiVersion": "fraudops.io/v1beta1",
            "kind": "FraudDetector",
            "metadata": {"name": "cards", "namespace": "fraud"},
            "spec": {"model": {"source": {"s3": {"bucket": "models"}}, **model}},
        }
    )


def where(place: dict[str, Any]) -> StoreLocation:
    parsed = detector(source=place)
    return location_of(parsed, source_of(parsed))


def test_everything_that_is_said_of_a_bucket_reaches_who_opens_it() -> None:
    s3 = {
        "bucket": "models",
        "prefix": "cards/",
        "region": "eu-central-1",
        "endpoint": "https://s3.example",
        "addressingStyle": "Virtual",
        "serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyID": "alias/models"},
    }
    assert where({"s3": s3}).s3 == S3Location(
        bucket="models",
        prefix="cards/",
        region="eu-central-1",
        endpoint="https://s3.example",
        addressing="Virtual",
        encryption="aws:kms",
        kms_key="alias/models",
    )
    gcs = {"bucket": "models", "prefix": "cards/", "endpoint": "https://gcs.example"}
    assert where({"gcs": gcs}).gcs == GCSLocation(
        bucket="models", prefix="cards/", endpoint="https://gcs.example"
    )


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"s3": {"bucket": "models", "prefix": "cards/"}}, "s3://models/cards/"),
        ({"gcs": {"bucket": "models"}}, "gs://models/"),
        (
            {"pvc": {"claimName": "claim", "path": "cards"}},
            "http://cards-models.fraud.svc:8088/cards",
        ),
    ],
)
def test_a_place_is_named_as_people_name_it(place: dict[str, Any], said: str) -> None:
    assert str(where(place)) == said


def test_what_is_proven_is_kept_in_the_source_unless_it_is_said_otherwise() -> None:
    alone = detector()
    assert artifacts_of(alone) is source_of(alone)
    apart = detector(artifacts={"gcs": {"bucket": "proven"}})
    assert str(location_of(apart, artifacts_of(apart))) == "gs://proven/"


def test_pods_mount_keys_and_authorities_in_one_folder() -> None:
    s3 = {
        "bucket": "models",
        "credentialsSecret": "keys",
        "caBundle": {"configMap": {"name": "authorities", "key": "bundle.pem"}},
    }
    one = detector(source={"s3": s3})
    assert credentials_volume("store", one, source_of(one)) == {
        "name": "store",
        "projected": {
            "sources": [
                {"secret": {"name": "keys"}},
                {
                    "configMap": {
                        "name": "authorities",
                        "items": [{"key": "bundle.pem", "path": "ca.crt"}],
                    }
                },
            ]
        },
    }
    assert credentials_volume("store", detector(), source_of(detector())) is None


def test_pods_mount_the_one_token_that_a_volume_s_server_lets_in() -> None:
    one = detector(source={"pvc": {"claimName": "claim"}})
    items = [{"key": "volumeToken", "path": "token"}]
    assert credentials_volume("store", one, source_of(one)) == {
        "name": "store",
        "projected": {"sources": [{"secret": {"name": "cards-management", "items": items}}]},
    }


def test_a_volume_has_one_address_whatever_it_is_used_for() -> None:
    one = detector(
        source={"pvc": {"claimName": "claim"}},
        artifacts={"pvc": {"claimName": "claim", "path": "proven"}},
    )
    assert str(location_of(one, source_of(one))) == "http://cards-models.fraud.svc:8088/"
    assert str(location_of(one, artifacts_of(one))) == "http://cards-models.fraud.svc:8088/proven"
    backup = {"destination": {"pvc": {"claimName": "far", "path": "copy"}}}
    backed_up = detector(backup=backup)
    assert backed_up.spec.model.backup is not None
    far = location_of(backed_up, backed_up.spec.model.backup.destination)
    assert str(far) == "http://cards-model-backups.fraud.svc:8088/copy"
    apart = detector(
        source={"pvc": {"claimName": "claim"}}, artifacts={"pvc": {"claimName": "other"}}
    )
    assert str(location_of(apart, artifacts_of(apart))) == "http://cards-artifacts.fraud.svc:8088/"
