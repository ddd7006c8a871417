"""A real API server takes every child as the plan makes it, and spells it the same way.

What it would spell otherwise (1000m for 1) would look like a change by somebody else.
"""

import json

import pytest

from fraud_operator.cli.planning.foresight import followed_through
from tests.cluster import Cluster
from tests.support.worlds import FULL, MINIMAL, inputs


def differing(planned, stored, path=""):
    """Paths at which `stored` does not hold what was planned."""
    if isinstance(planned, dict):
        for key, value in planned.items():
            if key not in stored:
                yield f"{path}.{key}"
            else:
                yield from differing(value, stored[key], f"{path}.{key}")
    elif isinstance(planned, list):
        if len(planned) != len(stored):
            yield path
        for index, (one, other) in enumerate(zip(planned, stored, strict=False)):
            yield from differing(one, other, f"{path}[{index}]")
    elif planned != stored:
        yield f"{path}: {planned!r} became {stored!r}"


@pytest.mark.parametrize("spec", [MINIMAL, FULL], ids=["minimal", "full"])
def test_every_child(control_plane: Cluster, namespace: str, spec) -> None:
    control_plane.kubectl(
        "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted",
        "pod-security.kubernetes.io/warn=restricted",
    )  # fmt: skip
    for one in followed_through(inputs(spec))[0].objects:
        manifest = json.loads(json.dumps(one.manifest))
        manifest["metadata"]["namespace"] = namespace
        said = control_plane.kubectl(
            "apply", "--server-side", "--field-manager=fraud-operator", "-f", "-",
            "--validate=strict", "-o", "json", input=json.dumps(manifest),
        )  # fmt: skip
        assert list(differing(manifest, json.loads(said))) == []


def test_pods_of_the_template_are_admitted_where_only_restricted_ones_are(
    control_plane: Cluster, namespace: str
) -> None:
    control_plane.kubectl(
        "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    made = {one.manifest["kind"]: one.manifest for one in followed_through(inputs(FULL))[0].objects}
    for kind in ("Deployment", "Job"):
        template = made[kind]["spec"]["template"]
        template["spec"].pop("priorityClassName", None)  # there is none of that name here
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": "a", "namespace": namespace},
            "spec": template["spec"],
        }
        said = control_plane.kubectl(
            "create", "-f", "-", "--dry-run=server", input=json.dumps(pod), check=False
        )
        assert "violates PodSecurity" not in said, kind
        # The pod's ServiceAccount is not there, and that is the only complaint.
        assert "created" in said or "serviceaccount" in said, kind
