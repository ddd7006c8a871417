"""Every manifest in examples/ is taken by a real API server, under PodSecurity restricted."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cluster import Cluster

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FILES = sorted(EXAMPLES.rglob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def _crds(control_plane: Cluster) -> None:
    crds = ("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    control_plane.kubectl(*crds)
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=90s", *("-f", crds[-1]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_it_is_applied_without_a_warning(
    control_plane: Cluster, namespace: str, path: Path
) -> None:
    labels = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    control_plane.kubectl("label", "namespace", namespace, *labels)
    manifests = list(filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8"))))
    for manifest in manifests:
        if manifest["kind"] == "Namespace":
            manifest["metadata"]["name"] = namespace
        else:
            manifest["metadata"].pop("namespace", None)
    answer = control_plane.kubectl(
        "--namespace", namespace, "apply", "--server-side", "--force-conflicts",
        "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all(manifests),
        check=False,
    )  # fmt: skip
    lines = answer.splitlines()
    assert len(lines) == len(manifests), answer
    assert all(line.endswith("serverside-applied") for line in lines), answer
