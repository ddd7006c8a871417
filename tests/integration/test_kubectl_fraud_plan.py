"""`kubectl fraud plan` on a real API server: what it says is what happens, and it does nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fraud_operator.cli.planning.children import RECORDS
from fraud_operator.cli.planning.differences import differences
from fraud_operator.install import objects
from tests.cluster import Cluster
from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.fraud_cli import Answer, FraudCli, fraud_cli
from tests.support.kubelet import roll_out, scorer_pods
from tests.support.process import SCORER_IMAGE, Installation, Operator, wait_for

KINDS = (
    "serviceaccount", "configmap", "service", "deployment", "hpa", "pdb", "controllerrevision",
)  # fmt: skip
BY_THE_WAY = {"Job", "Secret"}
"""What is made and gone again, and what carries no label to be listed by."""
REVISION = "metadata.annotations[deployment.kubernetes.io/revision]"
Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture
def fraud(crds: Cluster, namespace: str) -> FraudCli:
    if crds.provider != "local":
        pytest.skip("only a local cluster signs certificates for other users")
    return fraud_cli(crds, namespace).user("planner", "system:masters")


def children(installation: Installation) -> Objects:
    """Of the detector cards, as they are."""
    text = installation.kubectl(
        "get", ",".join(KINDS), "--output=json", "--selector=fraudops.io/detector=cards"
    )
    return {(one["kind"], one["metadata"]["name"]): one for one in json.loads(text)["items"]}


def happened(before: Objects, after: Objects) -> dict[str, Any]:
    """Which fields of which children are others, but for the records of operator and server."""
    found: dict[str, Any] = {}
    for child in before.keys() | after.keys():
        if child not in before or child not in after:
            found["/".join(child)] = "create" if child in after else "remove"
            continue
        fields = differences(before[child], after[child])
        told = {
            one.path: (one.before, one.after)
            for one in fields
            if one.path not in {*RECORDS, REVISION}
        }
        if told or any(one.path in RECORDS for one in fields):
            found["/".join(child)] = told
    return found


def foretold(answer: Answer) -> dict[str, Any]:
    """The same, as the plan says it."""
    (detector,) = answer.data["detectors"]
    found: dict[str, Any] = {}
    for child in detector["children"]:
        assert child["checked"], child
        name = f"{child['kind']}/{child['name']}"
        if child["action"] == "change":
            found[name] = {one["path"]: (one["before"], one["after"]) for one in child["fields"]}
        elif child["action"] != "none" and child["kind"] not in BY_THE_WAY:
            found[name] = child["action"]
    return found


def test_what_it_says_is_what_happens_and_it_writes_nothing(
    installation: Installation,
    operator: Operator,
    bucket: Bucket,
    fraud: FraudCli,
    audit: AuditLog,
) -> None:
    env = [{"name": "A", "value": "b"}]
    thresholds = {"review": "0.30", "decline": "0.60"}
    lives: list[tuple[dict[str, Any], str, str]] = [
        (bucket.detector(), "", "version v1 is verified first"),
        (bucket.detector(scorer={"replicas": 3, "extraEnv": env}), "containers[scorer].env[A]", ""),
        (bucket.detector(scorer={"extraEnv": env}, autoscaling={"minReplicas": 3}), "", ""),
        (
            bucket.detector(
                scorer={"replicas": 3, "extraEnv": env}, scoring={"thresholds": thresholds}
            ),
            "",
            "the thresholds change (review 0.5 -> 0.30, decline 0.9 -> 0.60)",
        ),
    ]
    for number, (manifest, restart, model) in enumerate(lives):
        before = children(installation)
        answer = fraud.plan(manifest, flags=("-o", "json"))
        assert answer.code == 2, answer
        assert children(installation) == before
        (detector,) = answer.data["detectors"]
        assert model in " ".join(detector["models"])
        if number == 0:
            assert installation.get("frauddetector", "cards") is None
        else:
            pods = scorer_pods(installation, "cards").values()
            running = {pod["metadata"]["name"] for pod in pods}
            assert set(detector["pods"]["restart"]) == (running if restart else set())
            assert restart in " ".join(detector["pods"]["because"])
        installation.apply(manifest)
        wait_for("nothing left to do", lambda m=manifest: fraud.plan(m).code == 0, seconds=60)
        assert foretold(answer) == happened(before, children(installation))
        roll_out(installation, "cards", detector["pods"]["wanted_after"])

    writes = audit.writes("planner")
    assert writes
    assert [entry for entry in writes if "dryRun=All" not in entry.uri] == []
    assert {entry.verb for entry in writes} >= {"patch", "create", "delete"}
    assert audit.entries("planner")[0].user_agent == "kubectl-fraud"


def test_a_detector_that_does_not_exist_yet_with_the_defaults_of_the_operator(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret())
    options = objects.Options(
        namespace=fraud.namespace, image="operator:1", scorer_image=SCORER_IMAGE, replicas=0
    )
    installation.apply(objects.deployment(options))
    answer = fraud.plan(bucket.detector(), flags=("--operator-namespace", fraud.namespace))
    assert answer.code == 2, answer
    assert re.search(rf'containers\[scorer\]\.image +"{SCORER_IMAGE}"', answer.out)
    assert "Assumed" not in answer.out
    assert "2 pods started, for 2 in all" in answer.out
    assert answer.out.endswith("Plan: 10 to create; no pod restarts.\n")
    assert installation.names("frauddetector", "deployment") == {"deployment.apps/fraud-operator"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"scorer": {"replicas": 2}, "autoscaling": {}}, "set spec.autoscaling.minReplicas"),
        ({"bogus": 1}, 'unknown field "spec.bogus"'),
        ({"capacity": {"transactionsPerDay": "lots"}}, "spec.capacity.transactionsPerDay"),
    ],
    ids=["a rule in CEL", "a field that is none", "a value that is none"],
)
@pytest.mark.parametrize("exists", [False, True], ids=["new", "changed"])
def test_what_the_api_server_refuses(
    installation: Installation,
    bucket: Bucket,
    fraud: FraudCli,
    spec: dict[str, Any],
    said: str,
    exists: bool,
) -> None:
    if exists:
        installation.apply(bucket.detector())
    answer = fraud.plan(bucket.detector(**spec))
    assert answer.code == 1
    assert "The API server refuses it: " in answer.out
    assert said in answer.out


def test_a_name_that_no_selector_takes_is_told_as_what_it_is(
    bucket: Bucket, fraud: FraudCli
) -> None:
    answer = fraud.plan(bucket.detector("c" * 64))
    assert answer.code == 1
    assert "metadata.name must have at most 40 characters" in answer.out
    assert answer.err == ""


def test_a_namespace_that_is_not_there(bucket: Bucket, fraud: FraudCli) -> None:
    manifest = bucket.detector()
    manifest["metadata"]["namespace"] = "no-such"
    answer = fraud("plan", "-f", "-", input=json.dumps(manifest))
    assert answer.code == 1
    assert f"says namespace no-such, --namespace says {fraud.namespace}" in answer.err
    answer = FraudCli(fraud.cluster, "no-such", fraud.kubeconfig).plan(manifest)
    assert answer.code == 1
    assert "there is no namespace no-such: kubectl create namespace no-such" in answer.out


def test_a_store_that_cannot_be_reached_from_here_is_admitted(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    installation.apply(bucket.secret())
    manifest = bucket.detector()
    manifest["spec"]["model"]["source"]["s3"]["endpoint"] = "http://127.0.0.1:1"
    answer = fraud.plan(manifest)
    assert answer.code == 2, answer
    assert "The model store was not read (StoreUnreachable" in answer.out
    assert "(known once the model store is read)" in answer.out
    assert "Deployment cards-scorer: create" in answer.out


def test_what_is_missing_and_what_comes_with_it(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    bucket.publish("cards/", "v1")
    without = fraud.plan(bucket.detector())
    assert without.code == 1
    assert "ReferenceMissing" in without.out
    assert f"Secret {fraud.namespace}/model-store does not exist: create it" in without.out
    assert "Deployment" not in without.out
    together = fraud.plan(bucket.secret(), bucket.detector())
    assert together.code == 2
    assert "Deployment cards-scorer: create" in together.out


def test_server_side_apply_has_its_conflicts(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    installation.apply(bucket.secret(), bucket.detector())
    changed = bucket.detector(scorer={"replicas": 3})
    flags = ("--server-side", "--field-manager=pipeline")
    refused = fraud.plan(changed, flags=flags)
    assert refused.code == 1
    assert 'conflict with "kubectl-client-side-apply"' in refused.out
    assert fraud.plan(changed, flags=(*flags, "--force-conflicts")).code == 2


def test_a_user_who_may_only_write_detectors(
    installation: Installation, bucket: Bucket, fraud: FraudCli
) -> None:
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret())
    for role in ("view", "fraudops-edit"):
        installation.kubectl(
            "create", "rolebinding", f"kate-{role}", f"--clusterrole={role}", "--user=kate"
        )
    answer = fraud.user("kate").plan(bucket.detector())
    assert answer.code == 2, answer
    assert "not checked by the API server: " in answer.out
    assert 'User "kate" cannot patch resource "configmaps"' in answer.out
    assert f"You may not read Secret {fraud.namespace}/model-store" in answer.out
    assert "Deployment cards-scorer: create" in answer.out
