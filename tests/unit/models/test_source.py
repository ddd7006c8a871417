"""Who asks a model store: the detector's Secret or ServiceAccount, never the operator."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.models.identities import Exchanges, Identities
from fraud_operator.models.source import Source, source_of, wanted_versions
from fraud_operator.observe.secrets import Secrets
from fraud_operator.runtime.kinds import SERVICE_ACCOUNT, Kind
from fraud_scorer.artifact.credentials import (
    Credentials,
    GoogleKey,
    GoogleWebIdentity,
    Keys,
    Token,
    WebIdentity,
)
from fraud_scorer.artifact.store import CredentialsMissing
from tests.support.kube import FakeKube

NAMESPACE, SCORER = "fraud", "cards-scorer"
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


def detector() -> dict[str, Any]:
    return {
        "apiVersion": "fraudops.io/v1beta1",
        "kind": "FraudDetector",
        "metadata": {"name": "cards", "namespace": NAMESPACE},
        "spec": {"model": {"source": {"s3": {"bucket": "models"}}}, "scorer": {"replicas": 2}},
    }


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
    return Identities(kube, Secrets(kube), exchanges=Exchanges(sts="http://sts"))


async def asked(kube: FakeKube, wanted: Source) -> Credentials:
    return (await identities(kube).of(wanted, wanted.versions)).credentials


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
    found = await asked(kube, source(s3={"credentialsSecret": "model-store"}))
    assert found == Keys("id", "key")


@pytest.mark.parametrize("data", [None, {"accessKeyID": "id"}, {"other": "x"}])
async def test_an_incomplete_secret_is_not_replaced_by_anything(
    data: dict[str, str] | None,
) -> None:
    kube = FakeKube()
    if data is not None:
        kube.put(secret(**data))
    with pytest.raises(CredentialsMissing, match=f"Secret {NAMESPACE}/model-store"):
        await asked(kube, source(s3={"credentialsSecret": "model-store"}))


async def test_without_anything_there_is_nobody_to_ask_as() -> None:
    with pytest.raises(CredentialsMissing, match="credentialsSecret"):
        await asked(FakeKube(), source())


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
    found = await asked(kube, wanted)
    assert isinstance(found, WebIdentity)
    assert (found.role_arn, found.sts_endpoint) == (ROLE, "http://sts")
    assert await asyncio.to_thread(found.token) == f"token of {NAMESPACE}/{SCORER}"
    kube.remove(SERVICE_ACCOUNT, NAMESPACE, SCORER)
    with pytest.raises(CredentialsMissing, match=f"ServiceAccount {NAMESPACE}/{SCORER}"):
        await asyncio.to_thread(found.token)


CERTIFICATES = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
POOL = "project.svc.id.goog"
CLUSTER = "https://container.googleapis.com/v1/projects/project/locations/x/clusters/y"
PROVIDERS = {
    f"identitynamespace:{POOL}:{CLUSTER}": POOL,
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b": (
        "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b"
    ),
}


class TokenKube(FakeKube):
    """Remembers for whom tokens were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.audiences: list[str] = []

    async def create(
        self, manifest: Mapping[str, Any], *, subresource_of: tuple[Kind, str, str] | None = None
    ) -> dict[str, Any]:
        self.audiences += manifest["spec"]["audiences"]
        return await super().create(manifest, subresource_of=subresource_of)


def at_google(*, annotation: str = "", secret: str = "", **model: Any) -> Source:
    obj = detector()
    gcs = {"bucket": "models", **({"credentialsSecret": secret} if secret else {})}
    obj["spec"]["model"] = {"source": {"gcs": gcs}, **model}
    if annotation:
        given = {"iam.gke.io/gcp-service-account": annotation}
        obj["spec"]["scorer"]["serviceAccountAnnotations"] = given
    return source_of(FraudDetector.parse(obj))


async def test_the_key_of_a_google_service_account_is_used() -> None:
    kube = FakeKube()
    key = '{"client_email": "a", "private_key": "b", "token_uri": "c"}'
    kube.put(secret(**{"key.json": key}))
    assert await asked(kube, at_google(secret="model-store")) == GoogleKey(key)


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '{"type": "authorized_user"}'])
async def test_what_is_no_key_of_a_service_account_is_refused_unshown(text: str) -> None:
    kube = FakeKube()
    kube.put(secret(**{"key.json": text}))
    with pytest.raises(CredentialsMissing, match=r"key\.json"):
        await asked(kube, at_google(secret="model-store"))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_google_service_account_is_acted_as_with_a_token_for_its_provider(
    provider: str,
) -> None:
    kube = TokenKube()
    account = {"name": SCORER, "namespace": NAMESPACE}
    kube.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    exchanges = Exchanges(google_provider=provider)
    wanted = at_google(annotation="models@project.iam.gserviceaccount.com")
    given = Identities(kube, Secrets(kube), exchanges=exchanges)
    found = (await given.of(wanted, wanted.versions)).credentials
    assert isinstance(found, GoogleWebIdentity)
    assert found.service_account == "models@project.iam.gserviceaccount.com"
    assert found.provider == provider
    assert await asyncio.to_thread(found.token) == f"token of {NAMESPACE}/{SCORER}"
    assert kube.audiences == [PROVIDERS[provider]]


async def test_a_cluster_that_google_does_not_know_says_what_to_do() -> None:
    with pytest.raises(CredentialsMissing, match="--google-provider"):
        await asked(FakeKube(), at_google(annotation="a@b"))
    with pytest.raises(CredentialsMissing, match=r"gcs\.credentialsSecret"):
        await asked(FakeKube(), at_google())


async def test_certificates_come_from_a_config_map_or_a_secret() -> None:
    kube = FakeKube()
    kube.put(secret(accessKeyID="id", secretAccessKey="key", **{"ca.crt": CERTIFICATES}))
    metadata = {"name": "authorities", "namespace": NAMESPACE}
    data = {"bundle.pem": CERTIFICATES}
    kube.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    for bundle in (
        {"secret": {"name": "model-store"}},
        {"configMap": {"name": "authorities", "key": "bundle.pem"}},
    ):
        wanted = source(s3={"credentialsSecret": "model-store", "caBundle": bundle})
        given = identities(kube)
        found = (await given.of(wanted, wanted.versions)).ca
        assert found is not None
        assert found.read_text() == CERTIFICATES


@pytest.mark.parametrize("bundle", [{"name": "nowhere"}, {"name": "authorities", "key": "other"}])
async def test_missing_certificates_are_told_with_what_to_do(bundle: dict[str, str]) -> None:
    kube = FakeKube()
    kube.put(secret(accessKeyID="id", secretAccessKey="key"))
    metadata = {"name": "authorities", "namespace": NAMESPACE}
    kube.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}})
    wanted = source(s3={"credentialsSecret": "model-store", "caBundle": {"configMap": bundle}})
    with pytest.raises(CredentialsMissing, match=rf"ConfigMap {NAMESPACE}/{bundle['name']}"):
        await asked(kube, wanted)


async def test_a_volume_is_asked_with_the_token_that_the_operator_made() -> None:
    obj = detector()
    obj["spec"]["model"] = {"source": {"pvc": {"claimName": "claim"}}}
    found = source_of(FraudDetector.parse(obj))
    kube = FakeKube()

    def made(**data: str) -> dict[str, Any]:
        both = secret(**data)
        return {**both, "metadata": {**both["metadata"], "name": "cards-management"}}

    with pytest.raises(CredentialsMissing, match="the operator makes a new one"):
        await asked(kube, found)
    kube.put(made(token="of-pods"))
    with pytest.raises(CredentialsMissing, match="has no key volumeToken"):
        await asked(kube, found)
    kube.put(made(token="of-pods", volumeToken="of-volumes\n"))
    assert await asked(kube, found) == Token("of-volumes")


def test_what_is_proven_is_kept_elsewhere_where_the_spec_says_so() -> None:
    here = source()
    assert here.artifacts == here.versions
    there = source(artifacts={"gcs": {"bucket": "proven", "credentialsSecret": "google"}})
    assert there.versions == here.versions
    assert str(there.artifacts.location) == "gs://proven/"
    assert there.artifacts.secret == "google"


def test_detectors_with_secrets_for_everything_have_the_same_source() -> None:
    obj = detector()
    obj["spec"]["model"]["source"]["s3"]["credentialsSecret"] = "model-store"
    one = source_of(FraudDetector.parse(obj))
    obj["metadata"]["name"] = "wires"
    assert source_of(FraudDetector.parse(obj)) == one
    del obj["spec"]["model"]["source"]["s3"]["credentialsSecret"]
    assert source_of(FraudDetector.parse(obj)).service_account == "wires-scorer"


def test_the_pinned_version_and_what_serves_are_wanted() -> None:
    obj = detector()
    obj["spec"]["model"]["version"] = "v1"
    obj["status"] = {"model": {"activeVersion": "v3"}}
    assert wanted_versions(FraudDetector.parse(obj)) == {"v1", "v3"}
