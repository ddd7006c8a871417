"""From a custom resource and a published model to a score, by real pods through a Service."""

import pytest

from tests.e2e.bed import Bed, wait_for

pytestmark = pytest.mark.node


def test_a_published_model_answers_through_the_service(bed: Bed) -> None:
    published = bed.publish("first", "v1")
    bed.apply("first")
    bed.wait_ready("first")

    answer = bed.score("first", "tx-1", {"amount": 20.0, "night": 0})
    assert answer["model"] == {"name": "first", "version": "v1", "digest": published.digest}
    assert answer["decision"] == "approve"
    large = bed.score("first", "tx-2", {"amount": 900.0, "night": 1})
    assert large["decision"] == "decline"
    assert large["score"] > 0.9 > answer["score"]
    assert answer["reasons"] == []
    first = large["reasons"][0]
    assert (first["code"], first["feature"], first["direction"]) == ("A1", "amount", "raises")


def test_a_serving_pod_has_nothing_loaded_of_what_trained_the_model(bed: Bed) -> None:
    for pod in bed.pods("first"):
        name = pod["metadata"]["name"]
        look = "import glob; [print(open(f).read()) for f in glob.glob('/proc/[0-9]*/maps')]"
        maps = bed.kubectl("exec", name, "--", "python3", "-c", look)
        assert "fraud_scorer/engine/_walk" in maps
        for library in ("numpy", "scipy", "sklearn", "joblib", "libgomp", "openblas"):
            assert library not in maps


def test_a_client_of_the_open_inference_protocol_gets_the_same_score(bed: Bed) -> None:
    row = {"amount": 900.0, "night": 1}
    tensors = [
        {"name": name, "datatype": "FP64", "shape": [1], "data": [value]}
        for name, value in row.items()
    ]
    path = "http://first-scorer/v2/models/first/versions/v1/infer"
    status, answer = bed.post(path, {"id": "tx-3", "inputs": tensors})
    assert status == 200, answer
    outputs = {one["name"]: one["data"] for one in answer["outputs"]}
    assert outputs["score"] == [bed.score("first", "tx-4", row)["score"]]
    assert outputs["decision"] == ["decline"]


def test_what_the_table_says_is_true(bed: Bed) -> None:
    row = bed.kubectl("get", "frauddetector", "first", "--no-headers", "--output=wide").split()
    assert row[:3] == ["first", "True", "v1"]


def test_children_are_owned_by_the_detector(bed: Bed) -> None:
    uid = bed.detector("first")["metadata"]["uid"]
    kinds = "deployment,service,serviceaccount,configmap,poddisruptionbudget"
    children = bed.get(kinds, "--selector=fraudops.io/detector=first")
    assert {child["kind"] for child in children} == {
        "Deployment",
        "Service",
        "ServiceAccount",
        "ConfigMap",
        "PodDisruptionBudget",
    }
    for child in children:
        owners = child["metadata"]["ownerReferences"]
        assert [(owner["uid"], owner["controller"]) for owner in owners] == [(uid, True)]


def test_a_bad_transaction_is_refused_by_field(bed: Bed) -> None:
    status, problem = bed.post("http://first-scorer/v1/score", {})
    assert status == 422
    assert "transaction_id" in str(problem)
    assert "Traceback" not in str(problem)


def test_deleting_the_detector_removes_its_children(bed: Bed) -> None:
    bed.kubectl("delete", "frauddetector", "first", "--timeout=60s")
    selector = "--selector=fraudops.io/detector=first"
    wait_for("no child is left", lambda: not bed.get("all,configmap,serviceaccount", selector))
