"""The Helm chart renders what `fraud-operator manifests` writes, and a real API server takes it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fraud_operator.install.objects import Options, objects
from tests.cluster import Cluster, ClusterError

CHART = Path(__file__).parents[2] / "charts/fraudops"
DEFAULTS = Options(
    namespace="fraudops-system",
    image="fraudops/operator:0.1.0",
    scorer_image="fraudops/scorer:0.1.0",
)
CHOSEN = Options(
    namespace="here",
    image="registry.test/operator@sha256:0000",
    scorer_image="registry.test/scorer:2",
    replicas=3,
    image_pull_policy="Never",
    scorer_image_pull_policy="Always",
    watched="payments,cards",
    log_level="debug",
    log_format="text",
    resources={"requests": {"cpu": "1"}},
    service_account_annotations={"a.b/c": "d: e"},
    image_pull_secrets=[{"name": "registry"}],
    node_selector={"pool": "operators"},
    tolerations=[{"key": "a", "operator": "Exists"}],
    affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    priority_class_name="system-cluster-critical",
)
CHOSEN_VALUES = {
    "image": CHOSEN.image,
    "scorerImage": CHOSEN.scorer_image,
    "replicas": 3,
    "imagePullPolicy": "Never",
    "scorerImagePullPolicy": "Always",
    "watchNamespaces": ["payments", "cards"],
    "logLevel": "debug",
    "logFormat": "text",
    # Helm merges maps: what the defaults have is taken away by name.
    "resources": {"requests": {"cpu": "1", "memory": None}, "limits": None},
    "serviceAccountAnnotations": CHOSEN.service_account_annotations,
    "imagePullSecrets": CHOSEN.image_pull_secrets,
    "nodeSelector": CHOSEN.node_selector,
    "tolerations": CHOSEN.tolerations,
    "affinity": CHOSEN.affinity,
    "priorityClassName": CHOSEN.priority_class_name,
}


@pytest.fixture(scope="module")
def helm() -> Path:
    """Built once, and kept with the cluster's programs."""
    from tests.cluster.tools import tool

    try:
        return tool("helm")
    except ClusterError as error:
        if os.environ.get("CI", "").lower() == "true":
            raise
        pytest.skip(str(error))


def rendered(helm: Path, namespace: str, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    said = subprocess.run(
        [
            str(helm),
            "template",
            "fraudops",
            str(CHART),
            "--namespace",
            namespace,
            # A helm built from its module takes itself for one of Kubernetes 1.20.
            "--kube-version",
            "1.25.0",
            "--values",
            "-",
        ],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    yield from filter(None, yaml.safe_load_all(said))


def by_identity(made: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Any]:
    return {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one
        for one in made
    }


@pytest.mark.parametrize(
    ("options", "values"), [(DEFAULTS, {}), (CHOSEN, CHOSEN_VALUES)], ids=["defaults", "chosen"]
)
def test_it_renders_the_same_objects(
    helm: Path, options: Options, values: Mapping[str, Any]
) -> None:
    assert by_identity(rendered(helm, options.namespace, values)) == by_identity(objects(options))


def test_helm_finds_nothing_wrong_with_it(helm: Path) -> None:
    said = subprocess.run(
        [str(helm), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("watched", ["", "default"])
def test_a_real_api_server_takes_every_object(
    control_plane: Cluster, namespace: str, watched: str
) -> None:
    options = Options(namespace=namespace, image="o", scorer_image="s", watched=watched)
    stream = yaml.safe_dump_all(list(objects(options)))
    said = control_plane.kubectl(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", input=stream, check=False
    )
    lines = [line for line in said.splitlines() if "AlreadyExists" not in line]
    assert all(line.endswith("created (server dry run)") for line in lines), said
