"""The control plane that tests get is whole: it validates, authorizes, collects, and remembers."""

import json
import subprocess

import pytest

from tests.cluster import Cluster, ClusterError
from tests.cluster.audit import AuditLog


def test_the_api_server_says_its_real_version(control_plane: Cluster) -> None:
    answer = json.loads(control_plane.kubectl("version", "--output=json"))
    assert answer["serverVersion"]["gitVersion"] == control_plane.version
    assert not control_plane.version.startswith("v0.")


def test_a_controller_makes_the_service_account_of_a_namespace(
    control_plane: Cluster, namespace: str
) -> None:
    wait = ["wait", "--for=create", "serviceaccount/default", "--timeout=90s"]
    control_plane.kubectl("--namespace", namespace, *wait)


def test_children_are_collected_with_their_owner(control_plane: Cluster, namespace: str) -> None:
    def config_map(name: str, owners: list[dict[str, str]]) -> str:
        metadata = {"name": name, "ownerReferences": owners}
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    in_namespace = ["--namespace", namespace]
    control_plane.kubectl(*in_namespace, "apply", "-f", "-", input=config_map("owner", []))
    uid = control_plane.kubectl(
        *in_namespace, "get", "configmap", "owner", "--output=jsonpath={.metadata.uid}"
    )
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    control_plane.kubectl(*in_namespace, "apply", "-f", "-", input=config_map("child", [owner]))
    control_plane.kubectl(*in_namespace, "delete", "configmap", "owner")
    gone = ["wait", "--for=delete", "configmap/child", "--timeout=90s"]
    control_plane.kubectl(*in_namespace, *gone)


def test_another_user_gets_an_identity_but_no_rights(
    control_plane: Cluster, namespace: str
) -> None:
    if control_plane.provider != "local":
        pytest.skip("only a local cluster signs certificates for other users")
    kubeconfig = control_plane.kubeconfig_for("alice", ["auditors"])

    def as_alice(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(control_plane.kubectl_path), "--kubeconfig", str(kubeconfig), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    me = json.loads(as_alice("auth", "whoami", "--output=json").stdout)["status"]["userInfo"]
    assert me["username"] == "alice"
    assert "auditors" in me["groups"]
    refused = as_alice("--namespace", namespace, "get", "pods")
    assert refused.returncode != 0
    assert 'User "alice" cannot list resource "pods"' in refused.stderr


def test_kubectl_says_what_the_server_said(control_plane: Cluster) -> None:
    with pytest.raises(ClusterError, match='namespaces "no-such" not found'):
        control_plane.kubectl("get", "namespace", "no-such")


def test_the_audit_log_tells_who_wrote_what(
    control_plane: Cluster, namespace: str, audit: AuditLog
) -> None:
    control_plane.kubectl(
        "--namespace", namespace, "create", "configmap", "seen", "--as=bob",
        "--as-group=system:masters",
    )  # fmt: skip
    entry = audit.wait_for(lambda each: each.user == "bob" and each.writes)
    assert (entry.verb, entry.resource, entry.namespace, entry.name, entry.code) == (
        "create",
        "configmaps",
        namespace,
        "seen",
        201,
    )
    assert [each.name for each in audit.writes("bob")] == ["seen"]


def test_a_refusal_is_in_the_audit_log(control_plane: Cluster, audit: AuditLog) -> None:
    control_plane.kubectl("get", "secrets", "--as=mallory", check=False)
    entry = audit.wait_for(lambda each: each.user == "mallory" and each.resource == "secrets")
    assert entry.refused


def test_a_mark_forgets_what_was_before(control_plane: Cluster, audit: AuditLog) -> None:
    control_plane.kubectl("get", "namespaces", "--as=early", check=False)
    audit.wait_for(lambda each: each.user == "early" and each.resource == "namespaces")
    audit.mark()
    assert audit.entries("early") == []
