"""The pod that gives out a volume: its manifests, what it is no pod of, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fraud_operator.plan import model_volume
from fraud_operator.plan.children import pod_selector
from fraud_operator.plan.detector import plan
from fraud_operator.plan.model_volume import are_available, trouble_of, volume_servers
from fraud_operator.plan.types import ChildKey, Manifested, Observed, Plan, StoreView
from tests.support.worlds import DEFAULTS, MINIMAL, World, detector, inputs

ON_A_CLAIM: dict[str, Any] = {"model": {"source": {"pvc": {"claimName": "models"}}}}
PLACED: dict[str, Any] = {
    "model": {"source": {"pvc": {"claimName": "models", "path": "cards"}}},
    "scorer": {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "models", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
    },
}
NAME = "card-payments-models"
NOT_LOOKED = StoreView()


def made(spec: dict[str, Any], image: str = "scorer:1") -> tuple[Manifested, Manifested]:
    (server,) = volume_servers(detector(spec))
    return (
        model_volume.deployment(server, image, DEFAULTS, None),
        model_volume.service(server),
    )


def children(wanted: Plan) -> dict[ChildKey, Manifested]:
    found = (one.manifest for one in wanted.objects)
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def deployed(spec: dict[str, Any] = ON_A_CLAIM, **status: Any) -> dict[ChildKey, Manifested]:
    manifest, _ = made(spec)
    counted = {"observedGeneration": 1, "replicas": 1, **status}
    meta = {**manifest["metadata"], "generation": 1}
    return {("Deployment", NAME): {**manifest, "metadata": meta, "status": counted}}


def stuck(use: str = "models") -> Manifested:
    unscheduled = {
        "type": "PodScheduled",
        "status": "False",
        "message": 'persistentvolumeclaim "models" not found',
    }
    return {
        "metadata": {"name": f"{NAME}-1", "labels": {"app.kubernetes.io/component": use}},
        "status": {"conditions": [unscheduled]},
    }


@pytest.mark.parametrize(("case", "spec"), [("minimal", ON_A_CLAIM), ("placed", PLACED)])
def test_golden(golden: Callable[[str, Manifested], None], case: str, spec: dict[str, Any]) -> None:
    deployment, service = made(spec)
    golden(f"volume-deployment-{case}", deployment)
    golden(f"volume-service-{case}", service)


def test_there_is_one_for_each_claim_whatever_it_is_used_for() -> None:
    def of(**model: Any) -> list[tuple[str, str]]:
        return [(one.name, one.claim) for one in volume_servers(detector({"model": model}))]

    pvc, bucket = {"pvc": {"claimName": "a"}}, {"s3": {"bucket": "models"}}
    again, other = {"pvc": {"claimName": "a", "path": "proven"}}, {"pvc": {"claimName": "b"}}
    artifacts = "card-payments-artifacts"
    assert of(source=bucket) == []
    assert of(source=pvc) == [(NAME, "a")]
    assert of(source=pvc, artifacts=again) == [(NAME, "a")]
    assert of(source=pvc, artifacts=other) == [(NAME, "a"), (artifacts, "b")]
    assert of(source=bucket, artifacts=other) == [(artifacts, "b")]
    backup = {"destination": {"pvc": {"claimName": "c"}}}
    backups = "card-payments-model-backups"
    assert of(source=pvc, backup=backup) == [(NAME, "a"), (backups, "c")]
    assert of(source=bucket, backup=backup) == [(backups, "c")]


def test_its_pods_are_no_scorers() -> None:
    """Or the Service would send transactions to them, and the budget count them."""
    deployment, service = made(ON_A_CLAIM)
    own = deployment["spec"]["template"]["metadata"]["labels"]
    assert not pod_selector(detector(ON_A_CLAIM)).items() <= own.items()
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector == service["spec"]["selector"]
    assert selector.items() <= own.items()


def test_two_servers_do_not_take_each_others_pods() -> None:
    model = {
        "source": {"pvc": {"claimName": "a"}},
        "artifacts": {"pvc": {"claimName": "b"}},
    }
    one, other = volume_servers(detector({"model": model}))
    assert not one.selector.items() <= other.labels.items()
    assert not other.selector.items() <= one.labels.items()


def test_it_is_there_before_any_version_is() -> None:
    found = children(plan(inputs(ON_A_CLAIM, store=NOT_LOOKED)))
    assert ("Deployment", NAME) in found
    assert ("Service", NAME) in found
    assert ("Deployment", "card-payments-scorer") not in found


def test_a_detector_of_a_bucket_has_none() -> None:
    found = children(plan(inputs(MINIMAL)))
    assert not [key for key in found if key[1].endswith(("-models", "-artifacts"))]


def test_the_volume_alone_is_written_to_and_only_one_token_is_there() -> None:
    pod = made(ON_A_CLAIM)[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = [one["name"] for one in container["volumeMounts"] if not one.get("readOnly")]
    assert writable == ["volume"]
    (secret,) = (one["secret"] for one in pod["volumes"] if "secret" in one)
    assert secret["items"] == [{"key": "volumeToken", "path": "token"}]
    assert pod["automountServiceAccountToken"] is False


def test_a_newer_operator_leaves_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    (server,) = volume_servers(detector(ON_A_CLAIM))
    before = model_volume.deployment(server, "scorer:1", DEFAULTS, None)
    monkeypatch.setattr(model_volume, "ROOT", "/elsewhere")
    assert model_volume.deployment(server, "scorer:1", DEFAULTS, before) == before
    changed = model_volume.deployment(server, "scorer:2", DEFAULTS, before)
    assert "--root=/elsewhere" in changed["spec"]["template"]["spec"]["containers"][0]["args"]


def test_the_store_is_asked_once_the_volume_is_given_out() -> None:
    one = detector(ON_A_CLAIM)
    assert not are_available(one, Observed())
    assert not are_available(one, Observed(children=deployed(availableReplicas=0)))
    assert are_available(one, Observed(children=deployed(availableReplicas=1)))
    assert are_available(detector(MINIMAL), Observed()), "a bucket is not ours to wait for"


def test_a_volume_for_backups_alone_holds_up_no_model() -> None:
    backup = {"destination": {"pvc": {"claimName": "c"}}}
    one = detector({"model": {"source": {"s3": {"bucket": "models"}}, "backup": backup}})
    assert are_available(one, Observed())
    observed = Observed(volumes=(stuck("model-backups"),))
    assert trouble_of(one, observed) == ""


def test_first_words_wait_for_the_volume_unless_it_is_in_trouble() -> None:
    on_its_way = inputs(ON_A_CLAIM, store=NOT_LOOKED, children=deployed())
    assert "conditions" not in plan(on_its_way).status
    in_trouble = inputs(ON_A_CLAIM, store=NOT_LOOKED, children=deployed(), volumes=(stuck(),))
    found = {one["type"]: one for one in plan(in_trouble).status["conditions"]}
    for condition in ("ModelStoreReachable", "ModelVerified"):
        assert found[condition]["reason"] == "VolumeUnavailable"
        assert found[condition]["message"] == (
            f"The volume of claim models is not given out: pod {NAME}-1: cannot be scheduled:"
            ' persistentvolumeclaim "models" not found.'
        )


def test_a_server_that_never_gets_ready_is_told_though_no_pod_says_why() -> None:
    given_up = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    status = {"conditions": [{**given_up, "message": "it has timed out progressing"}]}
    observed = Observed(children=deployed(**status))
    assert "it has timed out progressing" in trouble_of(detector(ON_A_CLAIM), observed)


def test_trouble_of_one_that_is_given_out_is_no_trouble() -> None:
    """A pod of before may well be unschedulable still."""
    children = deployed(availableReplicas=1)
    observed = Observed(children=children, volumes=(stuck(),))
    assert trouble_of(detector(ON_A_CLAIM), observed) == ""
    other = Observed(children=deployed(), volumes=(stuck("artifacts"),))
    assert trouble_of(detector(ON_A_CLAIM), other) == "", "of another server"


def test_what_serves_goes_on_while_the_volume_is_away() -> None:
    world = World(spec=dict(ON_A_CLAIM))
    world.settle()
    assert world.serving() == "v1"
    before = world.deployment
    world.store = replace(world.store, reason="StoreUnreachable", message="it does not answer")
    world.settle()
    assert world.serving() == "v1"
    assert world.deployment == before
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("ModelStoreReachable")["reason"] == "StoreUnreachable"
