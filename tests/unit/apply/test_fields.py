"""Reading managedFields: what we own, what we lost, and to whom."""

import json
from typing import Any

import pytest

from fraud_operator.apply import fields

MANIFEST: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "cards-scorer",
        "namespace": "fraud",
        "labels": {"app.kubernetes.io/name": "fraud-scorer"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u-1"}],
    },
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "scorer",
                        "image": "x:1",
                        "args": ["serve", "--plan"],
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "resources": {"requests": {"cpu": "50m"}},
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }
        },
    },
}
OWNED: dict[str, Any] = {
    "f:metadata": {
        "f:labels": {"f:app.kubernetes.io/name": {}},
        "f:ownerReferences": {'k:{"uid":"u-1"}': {}},
    },
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"scorer"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:ports": {
                            'k:{"containerPort":8080,"protocol":"TCP"}': {
                                ".": {},
                                "f:containerPort": {},
                                "f:name": {},
                            }
                        },
                        "f:resources": {"f:requests": {"f:cpu": {}}},
                    }
                },
                "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
            }
        },
    },
}


def entry(manager: str, owned: Any, operation: str = "Apply") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": owned}


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}}


def without(owned: dict[str, Any], *path: str) -> dict[str, Any]:
    """As the server writes it: what became empty is not written at all."""
    copied: dict[str, Any] = json.loads(json.dumps(owned))
    nodes = [copied]
    for step in path[:-1]:
        nodes.append(nodes[-1][step])
    for node, step in zip(reversed(nodes), reversed(path), strict=True):
        del node[step]
        if node:
            break
    return copied


def test_a_whole_manifest_is_owned() -> None:
    assert fields.unowned(OWNED, MANIFEST) == []


POD = ("f:spec", "f:template", "f:spec")
SCORER = (*POD, "f:containers", 'k:{"name":"scorer"}')


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        (("f:spec", "f:replicas"), "spec.replicas"),
        (("f:spec", "f:selector"), "spec.selector"),
        ((*SCORER, "f:image"), "spec.template.spec.containers[scorer].image"),
        ((*SCORER, "f:args"), "spec.template.spec.containers[scorer].args"),
        (
            (*SCORER, "f:ports", 'k:{"containerPort":8080,"protocol":"TCP"}', "f:name"),
            "spec.template.spec.containers[scorer].ports[8080,TCP].name",
        ),
        (
            (*SCORER, "f:resources", "f:requests", "f:cpu"),
            "spec.template.spec.containers[scorer].resources",
        ),
        ((*POD, "f:volumes", 'k:{"name":"tmp"}'), "spec.template.spec.volumes"),
        ((*POD, "f:containers"), "spec.template.spec.containers"),
        (
            ("f:metadata", "f:labels", "f:app.kubernetes.io/name"),
            "metadata.labels",
        ),
        (("f:metadata", "f:ownerReferences"), "metadata.ownerReferences"),
    ],
)
def test_a_lost_field_is_named(taken: tuple[str, ...], named: str) -> None:
    lost = fields.unowned(without(OWNED, *taken), MANIFEST)
    assert [fields.describe(path) for path in lost] == [named]


def test_what_was_never_applied_is_all_lost() -> None:
    lost = fields.unowned({}, MANIFEST)
    assert [fields.describe(path) for path in lost] == [
        "metadata.labels",
        "metadata.ownerReferences",
        "spec",
    ]


def test_paths_are_written_for_people() -> None:
    path = ("metadata", "labels", "app.kubernetes.io/name")
    assert fields.describe(path) == "metadata.labels[app.kubernetes.io/name]"
    assert fields.describe(("spec", "finalizers", 'v:"x"')) == "spec.finalizers[x]"


def test_whoever_holds_a_field_or_a_part_of_it_is_named() -> None:
    path = ("spec", "template", "spec", "containers", 'k:{"name":"scorer"}', "image")
    taken = {
        "f:spec": {
            "f:template": {
                "f:spec": {"f:containers": {'k:{"name":"scorer"}': {".": {}, "f:image": {}}}}
            }
        }
    }
    obj = live(
        entry("fraud-operator", OWNED),
        entry("kubectl-edit", taken, "Update"),
        entry("other", {"f:spec": {"f:replicas": {}}}, "Update"),
    )
    assert fields.owners(obj, path, but="fraud-operator") == ["kubectl-edit"]
    assert fields.owners(obj, ("spec", "template"), but="fraud-operator") == ["kubectl-edit"]
    assert fields.owners(obj, ("spec", "replicas"), but="fraud-operator") == ["other"]
    assert fields.owners(obj, ("spec", "paused"), but="fraud-operator") == []


def test_only_an_apply_counts_as_ours() -> None:
    update = entry("fraud-operator", OWNED, "Update")
    assert fields.applied_by(live(update), "fraud-operator") is None
    assert fields.applied_by(live(update, entry("fraud-operator", {"f:a": {}})), "fraud-operator")
    assert fields.applied_by({"metadata": {}}, "fraud-operator") is None
