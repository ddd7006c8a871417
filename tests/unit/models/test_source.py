"""Who asks a model store: the detector's Secret or ServiceAccount, never the operator."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.models.source import Identities, Source, source_of
from fraud_operator.observe.secrets import Secrets
from fraud_operator.runtime.kinds import SERVICE_ACCOUNT
from fraud_scorer.artifact.credentials import Keys, WebIdentity
from fraud_scorer.artifact.store import CredentialsMissing
from tests.support.kube import FakeKube
from tests.support.world import NAMESPACE, SCORER, detector

ROLE = "arn:aws:iam::000000000000:role/models"
AMBIENT = {
    "AWS_ACCESS_KEY_ID": "operator",
    "AWS_SECRET_ACCESS_KEY": "operator",
    "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/operator",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
}


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator itself may well have an identity; it is nobody's business."""
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)


def source(**changes: Any) -> Source:
    obj = detector()
    s3 = {"bucket": "models", "prefix": "cards/", "endpoint": "http://s3"}
    obj["spec"]["model"] = {"source": {"s3": s3 | changes.pop("s3", {})}, **changes}
    if "annotations" in obj["spec"]["model"]:
        obj["spec"]["scorer"]["serviceAccountAnnotations"] = obj["spec"]["model"].pop("annotations")
    obj["metadata"]["uid"] = "u-1"
    return source_of(FraudDetector.parse(obj))


def secret(**data: str) -> dict[str, Any]:
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    metadata = {"name": "model-store", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


def identities(kube: FakeKube) -> Identities:
    return Identities(kube, Secrets(kube), sts_endpoint="http://sts")


def test_the_interval_is_that_of_the_spec_or_half_a_minute() -> None:
    assert source().interval == 30
    assert source(syncInterval="5m").interval == 300


def test_whatever_matters_makes_another_source() -> None:
    assert source() == source()
    assert source(s3={"bucket": "other"}) != source()
    assert source(s3={"credentialsSecret": "a"}) != source()
    assert source(annotations={"eks.amazonaws.com/role-arn": ROLE}) != source()
    assert source(annotations={"team": "x"}) == source()


async def test_the_secret_of_the_detector_is_used() -> None:
    kube = FakeKube()
    kube.put(secret(accessKeyID="id", secretAccessKey="key"))
    found = await identities(kube).of(source(s3={"credentialsSecret": "model-store"}))
    assert found == Keys("id", "key")


@pytest.mark.parametrize("data", [None, {"accessKeyID": "id"}, {"other": "x"}])
async def test_an_incomplete_secret_is_not_replaced_by_anything(
    data: dict[str, str] | None,
) -> None:
    kube = FakeKube()
    if data is not None:
        kube.put(secret(**data))
    with pytest.raises(CredentialsMissing, match=f"Secret {NAMESPACE}/model-store"):
        await identities(kube).of(source(s3={"credentialsSecret": "model-store"}))


async def test_without_anything_there_is_nobody_to_ask_as() -> None:
    with pytest.raises(CredentialsMissing, match="credentialsSecret"):
        await identities(FakeKube()).of(source())


async def test_a_role_is_assumed_with_a_token_of_the_detectors_service_account() -> None:
    kube = FakeKube()
    kube.put(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": SCORER, "namespace": NAMESPACE},
        }
    )
    wanted = source(annotations={"eks.amazonaws.com/role-arn": ROLE})
    found = await identities(kube).of(wanted)
    assert isinstance(found, WebIdentity)
    assert (found.role_arn, found.sts_endpoint) == (ROLE, "http://sts")
    assert await asyncio.to_thread(found.token) == f"token of {NAMESPACE}/{SCORER}"
    kube.remove(SERVICE_ACCOUNT, NAMESPACE, SCORER)
    with pytest.raises(CredentialsMissing, match=f"ServiceAccount {NAMESPACE}/{SCORER}"):
        await asyncio.to_thread(found.token)
