"""docs/kubectl-fraud.md says the truth: its commands are run, and print what it shows.

A line `…` stands for any lines, and … within a line for any text. Names that the cluster chooses
(namespace, pods, addresses, model plans) and widths of columns are not compared.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from fraud_operator.install import objects
from tests.cluster import Cluster
from tests.support.bucket import Bucket
from tests.support.fraud_cli import fraud_cli
from tests.support.kubelet import roll_out
from tests.support.process import SCORER_IMAGE, Installation, Operator

DOCUMENT = (Path(__file__).parents[2] / "docs/kubectl-fraud.md").read_text(encoding="utf-8")
NAMESPACE, ENDPOINT = "fraud-detection", "http://minio.storage.svc:9000"
CHOSEN = (
    (r"cards-scorer-[0-9a-z]{6,10}-[a-z0-9]{5}", "POD"),
    (r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS"),
    (r"\b[0-9a-f]{10}\b", "PLAN"),
    (r" +", " "),
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """Each command of a console block with what it prints."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def pattern(shown: str) -> str:
    """What the document shows, as a regular expression for what is printed."""
    lines = []
    for line in simplified(shown).splitlines(keepends=True):
        if line == "…\n":
            lines.append(r"(?:.*\n)*")
        else:
            lines.append(".*".join(map(re.escape, line.split("…"))))
    return "".join(lines)


def simplified(text: str) -> str:
    for chosen, instead in CHOSEN:
        text = re.sub(chosen, instead, text)
    return text


@pytest.fixture
def shell(
    installation: Installation, operator: Operator, bucket: Bucket, tmp_path: Path
) -> tuple[Path, dict[str, str]]:
    """A folder with the document's file, applied, and an environment that means the namespace."""
    (text,) = blocks("yaml")
    (tmp_path / "cards.yaml").write_text(text.replace(ENDPOINT, bucket.endpoint))
    deployment = objects.deployment(
        objects.Options(
            namespace=installation.namespace, image="-", scorer_image=SCORER_IMAGE, replicas=0
        )
    )
    installation.apply(deployment)
    installation.kubectl("apply", "-f", str(tmp_path / "cards.yaml"))
    roll_out(installation, "cards", 2)
    environment = fraud_cli(installation.cluster, installation.namespace).environment
    return tmp_path, environment | {"KUBECONFIG": str(kubeconfig(installation, tmp_path))}


def kubeconfig(installation: Installation, folder: Path) -> Path:
    """The administrator's, with the namespace as that of its context."""
    cluster: Cluster = installation.cluster
    text = cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json")
    config = json.loads(text)
    config["contexts"][0]["context"]["namespace"] = installation.namespace
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return path


def test_every_command_prints_what_the_document_shows(
    installation: Installation, shell: tuple[Path, dict[str, str]]
) -> None:
    folder, environment = shell
    code = 0
    for block in blocks("console"):
        for command, shown in commands(block):
            if re.match(r"kubectl fraud (plan|doctor)", command):
                # The document's is where operators are; here it is with the detector.
                command += f" --operator-namespace={installation.namespace}"
            if command == "echo $?":
                assert (command, f"{code}\n") == (command, shown)
                continue
            done = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, check=False,
                cwd=folder, env=environment,
            )  # fmt: skip
            code = done.returncode
            said = simplified(done.stdout.replace(installation.namespace, NAMESPACE))
            assert re.fullmatch(pattern(shown), said), f"$ {command}\n{done.stdout}{done.stderr}"
            if command.startswith("kubectl apply"):
                roll_out(installation, "cards", 3)


def test_every_check_is_in_the_document() -> None:
    from fraud_operator.cli.doctor.registry import DETECTOR_CHECKS, GROUPS

    ids = {one.id for _, checks in GROUPS for one in checks} | {one.id for one in DETECTOR_CHECKS}
    named = re.findall(r"`((?:cluster|installation|permissions|detector)\.[a-z-]+)`", DOCUMENT)
    assert set(named) == ids
