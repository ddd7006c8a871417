"""The operator's own objects: rights no wider than needed, and a pod that is restricted."""

from collections.abc import Iterable

import pytest
import yaml

from fraud_operator.cli.main import main
from fraud_operator.install.objects import Options, objects
from fraud_operator.runtime.kinds import CHILDREN, SECRET, WATCHED
from fraud_operator.runtime.settings import add_arguments, from_arguments

OPTIONS = Options(namespace="fraudops-system", image="operator:1", scorer_image="scorer:1")


def by_kind(made: Iterable[dict]) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for one in made:
        found.setdefault(one["kind"], []).append(one)
    return found


def rights(made: Iterable[dict], name: str) -> set[tuple[str, str, str]]:
    (role,) = [
        one
        for one in made
        if one["kind"] in ("ClusterRole", "Role") and one["metadata"]["name"] == name
    ]
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_operator_may_watch_what_it_watches_and_change_its_children_only():
    granted = rights(objects(OPTIONS), "fraud-operator")
    watched = {(group, resource) for group, resource, verb in granted if verb == "watch"}
    assert watched == {(kind.group, kind.plural) for kind in WATCHED}
    deletable = {(group, resource) for group, resource, verb in granted if verb == "delete"}
    assert deletable == {(kind.group, kind.plural) for kind in (*CHILDREN, SECRET)}


def test_it_reads_secrets_by_name_only_and_never_writes_a_spec():
    granted = rights(objects(OPTIONS), "fraud-operator")
    of_secrets = {verb for _, resource, verb in granted if resource == "secrets"}
    assert of_secrets == {"get", "create", "patch", "delete"}
    assert {verb for _, resource, verb in granted if resource == "frauddetectors"} == {
        "list",
        "watch",
    }
    assert not any("*" in right for right in granted)


def test_what_is_made_once_it_cannot_change():
    granted = rights(objects(OPTIONS), "fraud-operator")
    for resource in ("jobs", "controllerrevisions"):
        verbs = {verb for _, of, verb in granted if of == resource}
        assert verbs.isdisjoint({"patch", "update"}), resource
    assert ("", "pods", "delete") not in granted
    assert ("", "pods", "create") not in granted


def test_leases_are_of_its_own_namespace():
    made = list(objects(OPTIONS))
    assert not any(r == "leases" for _, r, _ in rights(made, "fraud-operator"))
    (role,) = by_kind(made)["Role"]
    assert role["metadata"]["namespace"] == "fraudops-system"


def test_a_list_of_namespaces_narrows_the_same_rights_to_them():
    made = by_kind(objects(Options("a", "operator:1", "scorer:1", watched="x,y")))
    assert "ClusterRoleBinding" not in made
    bound = {
        one["metadata"]["namespace"]
        for one in made["RoleBinding"]
        if one["roleRef"]["name"] == "fraud-operator"
    }
    assert bound == {"x", "y"}


def test_what_the_clusters_own_roles_gain():
    made = list(objects(OPTIONS))
    assert {verb for _, _, verb in rights(made, "fraudops-view")} == {"get", "list", "watch"}
    assert ("fraudops.io", "frauddetectors/status", "patch") not in rights(made, "fraudops-edit")


def test_the_pod_is_restricted():
    (made,) = by_kind(objects(OPTIONS))["Deployment"]
    pod = made["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_arguments_are_ones_that_run_takes():
    import argparse

    (made,) = by_kind(objects(OPTIONS))["Deployment"]
    command, *arguments = made["spec"]["template"]["spec"]["containers"][0]["args"]
    assert command == "run"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    settings = from_arguments(parser.parse_args(arguments), {})
    assert (settings.scorer_image, settings.namespaces) == ("scorer:1", ())
    assert (settings.lease_namespace, settings.listen) == ("fraudops-system", ("", 8080))


def test_the_command_writes_everything(capsys):
    assert main(["manifests", "--image=o", "--scorer-image=s", "--namespace=here"]) == 0
    made = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [one["kind"] for one in made][:2] == ["Namespace", "CustomResourceDefinition"]
    assert {one["metadata"].get("namespace", "here") for one in made} == {"here"}
    assert main(["manifests", "--image=o", "--scorer-image=s", "--skip-crds"]) == 0
    assert "CustomResourceDefinition" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--replicas=-1", "must be a whole number from 1 to 10, not '-1'"),
        ("--image=", "must be the name of an image"),
        ("--namespace=Not a name", "must be a namespace's name"),
        ("--namespaces=a,b_c", "must be a namespace's name"),
        ("--image-pull-policy=sometimes", "invalid choice"),
    ],
)
def test_what_no_cluster_would_take_is_refused(argument, complaint, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["manifests", "--image=o", "--scorer-image=s", argument])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert complaint in said.err
    assert said.out == ""
