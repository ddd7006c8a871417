"""The node that tests get is whole: names, Services, volumes, logs, exec, metrics, security."""

import json
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.cluster.images.builder import builder
from tests.cluster.runtime import PAUSE_IMAGE

pytestmark = pytest.mark.node
POD_SECONDS = "--timeout=90s"
#: Credentials that mean nothing: without any, kubectl asks for a name. Everybody may see /version.
AS_ANYBODY = ["--username=x", "--password=x", "--insecure-skip-tls-verify", "get", "--raw=/version"]


@pytest.fixture(scope="session")
def kube_image(cluster: Cluster) -> str:
    """The image with the cluster's own binary, kubectl among it. Only a local cluster has it."""
    if cluster.provider != "local":
        pytest.skip("tests the local provider")
    return f"localhost/fraudops/kube:{cluster.version}"


def _pod(name: str, image: str, args: list[str], **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image, "imagePullPolicy": "Never", "args": args}
    container.update(spec.pop("container", {}))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "restartPolicy": "Never", **spec},
    }


def _run(cluster: Cluster, namespace: str, pod: dict[str, Any]) -> str:
    """Run a pod to its end and return its log."""
    name = pod["metadata"]["name"]
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(pod))
    ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
    cluster.kubectl("-n", namespace, "wait", ended, f"pod/{name}", POD_SECONDS)
    return cluster.kubectl("-n", namespace, "logs", name)


def test_a_pod_reaches_the_api_server_by_name_through_its_service(
    cluster: Cluster, namespace: str, kube_image: str
) -> None:
    ask = ["kubectl", "--server=https://kubernetes.default.svc", *AS_ANYBODY]
    assert cluster.version in _run(cluster, namespace, _pod("asks", kube_image, ask))


def test_a_name_outside_the_cluster_is_refused_at_once(
    cluster: Cluster, namespace: str, kube_image: str
) -> None:
    ask = ["kubectl", "--server=https://registry.example.com", *AS_ANYBODY]
    log = _run(cluster, namespace, _pod("asks", kube_image, ask))
    assert "lookup registry.example.com" in log


def test_a_claim_gets_a_volume_that_an_ordinary_user_can_write(
    cluster: Cluster, namespace: str
) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(claim))
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    pod = _pod(
        "writes", PAUSE_IMAGE, ["-a", "create", "-p", "/data/made"], container=mount,
        securityContext={"runAsUser": 1000, "runAsNonRoot": True},
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    )  # fmt: skip
    assert _run(cluster, namespace, pod) == ""
    code = "--output=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    assert cluster.kubectl("-n", namespace, "get", "pod", "writes", code) == "0"


def test_a_restricted_namespace_takes_a_restricted_pod_and_no_other(
    cluster: Cluster, namespace: str
) -> None:
    level = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", namespace, level)
    apply = ["-n", namespace, "apply", "-f", "-"]
    loose = _pod("loose", PAUSE_IMAGE, [])
    said = cluster.kubectl(*apply, input=json.dumps(loose), check=False)
    assert "violates PodSecurity" in said
    context = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    strict = _pod("strict", PAUSE_IMAGE, [], container={"securityContext": context})
    cluster.kubectl(*apply, input=json.dumps(strict))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/strict", POD_SECONDS)


def test_exec_runs_in_a_pod(cluster: Cluster, namespace: str) -> None:
    pod = _pod("runs", PAUSE_IMAGE, [])
    cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(pod))
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/runs", POD_SECONDS)
    said = cluster.kubectl(
        "-n", namespace, "exec", "runs", "--", "/node-helper", "-a", "dance", "-p", "/", check=False
    )
    assert 'unknown action "dance"' in said


def test_resource_metrics_are_real(cluster: Cluster, namespace: str, kube_image: str) -> None:
    api = "apiservice/v1beta1.metrics.k8s.io"
    cluster.kubectl("wait", "--for=create", api, "--timeout=120s")
    cluster.kubectl("wait", "--for=condition=Available", api, "--timeout=60s")
    nodes = json.loads(cluster.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"))
    usage = nodes["items"][0]["usage"]
    assert int(usage["memory"].removesuffix("Ki")) > 100_000
    assert usage["cpu"] != "0"


def test_a_terminated_container_tells_the_operator_why(cluster: Cluster, namespace: str) -> None:
    """Exit codes and termination messages come through the real kubelet."""
    mount = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    pod = _pod("fails", PAUSE_IMAGE, ["-a", "dance", "-p", "/"], container=mount)
    _run(cluster, namespace, pod)
    seen = json.loads(cluster.kubectl("-n", namespace, "get", "pod", "fails", "--output=json"))
    ended = seen["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 1
    assert 'unknown action "dance"' in ended["message"]


def test_an_image_that_is_there_is_not_loaded_again(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    tag = "localhost/fraudops/bucket:dev"
    if not builder().image_id(tag):
        pytest.skip(f"{tag} is not built")
    cluster.load(tag)
    capfd.readouterr()
    cluster.load(tag)
    assert f"{tag} is in the cluster already" in capfd.readouterr().err
