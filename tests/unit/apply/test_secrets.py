"""Secrets with values of their own: made up once, completed, taken back, and never changed."""

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from fraud_operator.apply.applier import Applier
from fraud_operator.apply.contention import Contention
from fraud_operator.apply.secrets import made_up
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.generated import PublicKey, Random, SigningKey, WithDigest
from fraud_operator.plan.stores.names import kept_metadata
from fraud_operator.plan.types import Desired
from fraud_operator.runtime.kinds import SECRET
from tests.support.kube import FakeKube
from tests.support.worlds import detector

KEY = Key("fraud-detection", "card-payments")
VALUES = {"host": "postgres", "password": Random()}


def text(data, key):
    return base64.b64decode(data[key]).decode()


def desired(*, retained=True, values=VALUES):
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept_metadata(detector(), "fraud-postgres", "app", retained=retained),
        "type": "Opaque",
    }
    return Desired(manifest, component="postgres", phase=0, generated=values, kept=True)


@pytest.fixture
def kube():
    return FakeKube()


async def applied(kube, one, *, clock=lambda: 0.0):
    applier = Applier(kube, ObjectStore(), Contention(), clock=clock)
    (result,) = (await applier.apply(KEY, detector().uid, [one], {})).results
    return result


def read(kube):
    return kube.read(SECRET, KEY.namespace, "app")


def test_values_are_made_up_by_their_kind():
    made = made_up(
        {
            "host": "redis",
            "password": Random(),
            "acl": WithDigest("password", "user a on #{digest} +get"),
            "seal.key": SigningKey(),
            "seal.pub": PublicKey("seal.key"),
        }
    )
    assert text(made, "host") == "redis"
    assert len(text(made, "password")) == 43
    digest = sha256(text(made, "password").encode()).hexdigest()
    assert text(made, "acl") == f"user a on #{digest} +get"
    private = load_pem_private_key(text(made, "seal.key").encode(), None)
    public = load_pem_public_key(text(made, "seal.pub").encode())
    public.verify(private.sign(b"a seal"), b"a seal")


def test_no_two_are_the_same():
    first, second = (made_up({"a": Random(), "b": Random()}) for _ in range(2))
    assert len({*first.values(), *second.values()}) == 4


def test_what_is_there_stays_and_what_follows_from_it_fits():
    there = made_up({"password": Random()})
    made = made_up({"password": Random(), "acl": WithDigest("password", "#{digest}")}, there)
    assert made.keys() == {"acl"}
    assert text(made, "acl") == f"#{sha256(text(there, 'password').encode()).hexdigest()}"


def test_an_acl_follows_the_release():
    """A new release's scorers need other commands than those for which the Secret was made."""
    before = {"password": Random(), "acl": WithDigest("password", "#{digest} +get")}
    there = made_up(before)
    assert made_up(before, there) == {}
    made = made_up({**before, "acl": WithDigest("password", "#{digest} +get +getrange")}, there)
    assert made.keys() == {"acl"}
    assert text(made, "acl") == f"{text(there, 'acl')} +getrange"


async def test_it_is_made_once_and_left_as_it_is(kube):
    assert (await applied(kube, desired())).outcome == "Applied"
    before = read(kube)["data"]
    kube.writes.clear()
    assert (await applied(kube, desired())).outcome == "Unchanged"
    assert kube.writes == []
    assert read(kube)["data"] == before


async def test_a_former_detectors_secret_is_taken_back_with_its_values(kube):
    kube.put({**desired().manifest, "data": {"host": "YQ==", "password": "Yg=="}}, "fraud-operator")
    assert (await applied(kube, desired())).outcome == "Unchanged"
    assert read(kube)["data"] == {"host": "YQ==", "password": "Yg=="}


async def test_a_key_that_it_lacks_is_added(kube):
    kube.put({**desired().manifest, "data": {"host": "YQ=="}}, "fraud-operator")
    assert (await applied(kube, desired())).outcome == "Applied"
    data = read(kube)["data"]
    assert data["host"] == "YQ=="
    assert len(text(data, "password")) == 43


@pytest.mark.parametrize("retained", [True, False])
async def test_whose_it_is_follows_the_policy_and_its_values_stay(kube, retained):
    await applied(kube, desired(retained=not retained))
    before = read(kube)["data"]
    assert (await applied(kube, desired(retained=retained))).outcome == "Applied"
    meta = read(kube)["metadata"]
    assert bool(meta.get("ownerReferences")) is not retained
    assert ("app.kubernetes.io/instance" in meta["labels"]) is not retained
    assert read(kube)["data"] == before


async def test_somebody_elses_is_left_alone(kube):
    manifest = desired().manifest
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    theirs = {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}
    kube.put({**theirs, "data": {"password": "Yg=="}}, "helm")
    result = await applied(kube, desired())
    assert (result.outcome, result.reason) == ("Conflict", "NotOurs")
    assert read(kube)["data"] == {"password": "Yg=="}


async def test_one_of_another_detector_is_left_alone(kube):
    manifest = desired().manifest
    labels = {**manifest["metadata"]["labels"], "fraudops.io/detector": "other"}
    kube.put({**manifest, "metadata": {**manifest["metadata"], "labels": labels}, "data": {}}, "x")
    assert (await applied(kube, desired())).outcome == "Conflict"
