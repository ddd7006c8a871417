"""What those who wait for a detector see of it from its first millisecond on: kstatus (Helm, Flux),
Argo CD with the health check of docs/gitops.md, and kubectl wait.

Every version of the object that the API server ever had is judged, as a watch delivered it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import build
from tests.support.bucket import Bucket
from tests.support.kubelet import roll_out
from tests.support.process import Installation, Operator, wait_for

DOCUMENT = Path(__file__).parents[2] / "docs" / "gitops.md"
SETTING = "resource.customizations.health.fraudops.io_FraudDetector"
PROGRESS = ("InProgress", "Progressing")
SETTLED = ("Current", "Healthy")
STUCK = ("Failed", "Degraded")
ASLEEP = ("InProgress", "Suspended")


@pytest.fixture
def health_check(tmp_path: Path) -> Path:
    """The Lua of the document."""
    block = DOCUMENT.read_text().split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "health.lua"
    path.write_text(yaml.safe_load(block)["data"][SETTING])
    return path


@contextmanager
def watched(at: Installation, into: Path) -> Iterator[None]:
    """Write every version of every detector, while the context lasts, into a file."""
    with into.open("wb") as file:
        watch = subprocess.Popen(
            [
                str(at.cluster.kubectl_path), "--context", at.cluster.context,
                "--namespace", at.namespace, "get", "frauddetectors", "--watch", "--output=json",
            ],
            stdout=file, env=at.cluster.environment,
        )  # fmt: skip
        try:
            yield
        finally:
            watch.terminate()
            watch.wait()


def versions(file: Path) -> list[dict[str, Any]]:
    """The whole objects in the file; the last one may be half written."""
    decoder, text, found, at = json.JSONDecoder(), file.read_text(), [], 0
    while at < len(text):
        try:
            obj, at = decoder.raw_decode(text, at)
        except ValueError:
            break
        found.append(obj)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


def said_of(objects: Iterable[dict[str, Any]], health_check: Path) -> list[tuple[str, ...]]:
    """What kstatus and Argo CD say, in order and once while it stays the same."""
    said = subprocess.run(
        [str(build.status_readers()), str(health_check)],
        input="\n".join(map(json.dumps, objects)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [one for one, _ in groupby(tuple(line.split()) for line in said.stdout.splitlines())]


def test_transitions(
    installation: Installation,
    operator: Operator,
    bucket: Bucket,
    health_check: Path,
    tmp_path: Path,
) -> None:
    log = tmp_path / "versions.json"

    def condition(kind: str, status: str) -> None:
        wait = f"--for=condition={kind}={status}"
        installation.kubectl("wait", "frauddetector/cards", wait, "--timeout=60s")

    build.status_readers()
    with watched(installation, log):
        installation.apply(bucket.detector())
        wait_for("the watch", log.read_text)
        waiting = subprocess.Popen(
            [
                str(installation.cluster.kubectl_path), "--context", installation.cluster.context,
                "--namespace", installation.namespace, "wait", "frauddetector/cards",
                "--for=condition=Ready", "--timeout=90s",
            ],
            env=installation.cluster.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
        assert waiting.poll() is None, "kubectl wait returned before any pod was ready"
        roll_out(installation, "cards", 2)
        assert waiting.wait(30) == 0

        installation.apply(bucket.detector(scorer={"replicas": 3}))
        roll_out(installation, "cards", 3)

        missing = bucket.detector(scorer={"replicas": 3})
        missing["spec"]["model"]["source"]["s3"]["credentialsSecret"] = "nobody-has-it"
        installation.apply(missing)
        condition("Stalled", "True")
        installation.apply(bucket.detector(scorer={"replicas": 3}))
        condition("Ready", "True")

        installation.apply(bucket.detector(scorer={"replicas": 3}, suspend=True))
        condition("Suspended", "True")
        installation.apply(bucket.detector(scorer={"replicas": 3}))
        condition("Ready", "True")
        last = installation.get("frauddetector", "cards") or {}
        version = last["metadata"]["resourceVersion"]
        wait_for(
            "the watch saw it all", lambda: f'"resourceVersion": "{version}"' in log.read_text()
        )
    seen = versions(log)
    assert seen[0]["status"] == {"observedGeneration": -1}
    assert said_of(seen, health_check) == [
        PROGRESS, SETTLED,  # from nothing
        PROGRESS, SETTLED,  # one pod more
        PROGRESS, STUCK,  # a Secret that nobody has
        PROGRESS, SETTLED,
        PROGRESS, ASLEEP,  # left alone
        PROGRESS, SETTLED,
    ]  # fmt: skip
