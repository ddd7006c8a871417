"""The demo from beginning to end, as the commands that a person would type.

Only the first chapter is about this machine: a cluster, images and data, made in parallel. All that
follows goes through the API server and the detector's Service, as any use of the operator does.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from typing import Any

from examples.demo import bucket
from examples.demo.business import corner
from examples.demo.client import Client
from examples.demo.live import Stream
from examples.demo.records import Records
from examples.demo.terminal import Chapters, Shell, out
from examples.handbook import dataset, kept
from examples.handbook.dataset import Dataset
from examples.handbook.train import SCENARIOS, caught_by_scenario
from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.plan import s3_location
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import read_manifest
from tests.cluster import Cluster, ClusterError, ensure, images, prerequisites
from tests.cluster.api import providers

HERE = Path("examples/demo")
NAMESPACE, DETECTOR = "fraud-detection", "card-payments"
SERVICE = f"http://{DETECTOR}-scorer"
OPERATOR_NAMESPACE = "fraudops-system"
STORE = f"s3://{bucket.BUCKET}/{DETECTOR}/"
# Gently: the machine that trains is also the one that scores.
TRAIN = "nice python -m examples.handbook.train"
WITHOUT_HISTORY = "--model logistic --features amounts"
WITH_HISTORY = "--model forest --depth 12 --trees 50 --features kept"
RATE = 80
LOOK_SECONDS = 8
IMAGE_ANNOTATION = "fraudops.io/demo-image-id"


def up() -> int:
    """Walk through the whole demo. 0 when everything went as told; raises ClusterError."""
    chapters = Chapters(total=11)
    chapters.open("A Kubernetes, the images, and half a year of transactions")
    with tempfile.TemporaryDirectory() as folder:
        cluster, data = _prepare()
        # `python` and `fraud-operator` are those that run this.
        here = str(Path(sys.executable).parent)
        path = os.pathsep.join([here, cluster.environment["PATH"]])
        shell = Shell({**cluster.environment, "PATH": path})
        chapters.open("The operator, with its CRD")
        _install_operator(cluster, shell)
        chapters.open("A namespace that takes restricted pods only, with a bucket in it")
        _make_bucket(cluster, shell)
        with bucket.reachable(cluster, NAMESPACE) as where:
            bucket.create(where)
            chapters.open("Train a model that knows the amount and the time: version v1")
            _publish(shell, where, f"{WITHOUT_HISTORY} --version v1")
            chapters.open("One custom resource, with a Redis and a Postgres of its own")
            _apply_detector(shell)
            chapters.open("The five weeks before now: scored, recorded, and labelled by banks")
            client = Client(shell, NAMESPACE, SERVICE)
            client.start(cluster, images.tag_of("scorer"))
            first_score = chapters.elapsed
            now = datetime.now(UTC)
            part = corner(data, now)
            files = part.write(Path(folder), now)
            records = Records(shell, client, NAMESPACE, DETECTOR)
            records.bring_history(files)
            chapters.open("Transactions through the Service; v2 knows histories, too")
            stream = Stream(cluster, NAMESPACE, images.tag_of("scorer"))
            stream.start(SERVICE, files.upcoming, RATE)
            _publish(shell, where, f"{WITH_HISTORY} --version v2")
            shell.show(_wait("jsonpath={.status.model.activeVersion}=v2"))
            shell.look(
                f"kubectl get pods --namespace {NAMESPACE} -l fraudops.io/detector={DETECTOR}"
            )
            time.sleep(LOOK_SECONDS)
            chapters.open("Labels that come late, and what they change")
            records.bring_late_labels(files, part.newly_compromised(now))
            chapters.open("A version v3 whose bytes are damaged")
            _publish_damaged(shell, where, Path(folder, "models"))
            time.sleep(LOOK_SECONDS)
            summary = stream.stop()
            chapters.open("All that was recorded, verified")
            records.verify()
            caught = [_caught(where, version) for version in ("v1", "v2")]
    chapters.open("Summary")
    problems = _summarise(cluster, summary, first_score, caught)
    chapters.close()
    return 1 if problems else 0


def down() -> None:
    """Remove what `up` made: the cluster with all in it, or from somebody else's only the demo."""
    for provider in providers():
        if provider.name == "existing":
            for cluster in provider.find():
                _remove_from(cluster)
        provider.down()
    out("The demo is gone. What was built is kept in the cache, so that the next one starts warm.")


def _prepare() -> tuple[Cluster, Dataset]:
    prerequisites.ask_once()
    with ThreadPoolExecutor() as pool:
        building = pool.submit(images.build, images.NAMES)
        simulating = pool.submit(_simulated)
        cluster = ensure("node")
        # What an earlier run left; gone by the time that its place is needed.
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
        names = building.result()
        data = simulating.result()
    cluster.load(*map(images.tag_of, names))
    out(f"  Kubernetes {cluster.version} ({cluster.name}), images {', '.join(names)}")
    return cluster, data


def _simulated() -> Dataset:
    """The transactions. What training needs of histories is in the cache then, too."""
    data = dataset.load()
    kept.load(data.transactions)
    return data


def _install_operator(cluster: Cluster, shell: Shell) -> None:
    deployment = f"deployment/fraud-operator --namespace {OPERATOR_NAMESPACE}"
    before = shell.run(*f"kubectl get {deployment} --ignore-not-found --output=json".split())
    manifests = [
        "fraud-operator", "manifests", "--replicas=1",
        f"--image={images.tag_of('operator')}", f"--scorer-image={images.tag_of('scorer')}",
        *(f"--{name}-image={images.repository_of(name)}" for name in images.STORE_NAMES),
    ]  # fmt: skip
    out(f"  $ {' '.join(manifests)} \\\n      | kubectl apply --server-side -f -")
    text = shell.run(*manifests)
    applied = shell.run("kubectl", "apply", "--server-side", "--filename=-", input=text)
    out(indent(applied.rstrip(), "    "))
    # The tag of a local build stays the same, so a new image under it needs new pods.
    identity = images.builder().image_id(images.tag_of("operator"))
    known = json.loads(before)["metadata"].get("annotations", {}) if before else {}
    if before and known.get(IMAGE_ANNOTATION) != identity:
        shell.show(f"kubectl rollout restart {deployment}")
    shell.run(*f"kubectl annotate {deployment} --overwrite {IMAGE_ANNOTATION}={identity}".split())
    shell.show(f"kubectl rollout status {deployment} --timeout=120s")


def _make_bucket(cluster: Cluster, shell: Shell) -> None:
    cluster.kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=120s")
    shell.show(f"kubectl apply -f {HERE}/namespace.yaml -f {HERE}/bucket.yaml")
    shell.show(f"kubectl rollout status deployment/bucket --namespace {NAMESPACE} --timeout=120s")


def _publish(shell: Shell, where: bucket.Reachable, what: str) -> None:
    train = f"{TRAIN} {what} --to {STORE} --endpoint {where.endpoint}"
    shell.show(train, also=where.keys)


def _apply_detector(shell: Shell) -> None:
    shell.show(f"kubectl apply -f {HERE}/detector.yaml")
    shell.show(_wait("condition=Ready"))
    shell.look(f"kubectl get frauddetector --namespace {NAMESPACE}")
    shell.look(
        "kubectl get statefulset,job,pvc"
        f" --namespace {NAMESPACE} -l fraudops.io/detector={DETECTOR}"
    )


def _publish_damaged(shell: Shell, where: bucket.Reachable, models: Path) -> None:
    shell.show(f"{TRAIN} {WITH_HISTORY} --seed 1 --version v3 --to {models}")
    damage = f"python -m examples.demo.damage {models} v3 --to {STORE} --endpoint {where.endpoint}"
    shell.show(damage, also=where.keys)
    shell.show(_wait("condition=ModelVerified=False"))
    shell.look(f"kubectl get frauddetector --namespace {NAMESPACE} --output=wide")
    describe = f"kubectl describe frauddetector {DETECTOR} --namespace {NAMESPACE}"
    shell.look(describe, only=_about_the_model)


def _about_the_model(description: str) -> str:
    """Of what `kubectl describe` says: the condition, the quarantine and the Events, in full."""
    lines = description.splitlines()
    kind = [number for number, line in enumerate(lines) if line.endswith(" ModelVerified")]
    quarantine = [number for number, line in enumerate(lines) if line.endswith("Quarantined:")]
    events = [number for number, line in enumerate(lines) if line.startswith("Events:")]
    parts = [lines[at - 5 : at + 1] for at in kind]
    parts += [lines[at : at + 6] for at in quarantine]
    parts += [lines[at:] for at in events]
    return "\n...\n".join("\n".join(part) for part in parts)


def _wait(wanted: str) -> str:
    where = f"frauddetector/{DETECTOR} --namespace {NAMESPACE} --timeout=180s"
    return f"kubectl wait '--for={wanted}' {where}"


def _caught(where: bucket.Reachable, version: str) -> str:
    """How many frauds of the test week the version catches by its thresholds, as it was trained."""
    location = s3_location(STORE, endpoint=where.endpoint)
    keys = Keys(where.keys["AWS_ACCESS_KEY_ID"], where.keys["AWS_SECRET_ACCESS_KEY"])
    stored = read_manifest(S3Store(location, keys), version)
    if stored is None:
        raise ClusterError(f"version {version} is not in {STORE}")
    return f"{version}: {caught_by_scenario(stored.manifest.metrics)}"


def _live(summary: Mapping[str, Any]) -> str:
    """The same of the transactions that were sent."""
    told = []
    for version, scenarios in sorted(summary.get("scenarios", {}).items()):
        each = [
            f"{caught} of {every} by {SCENARIOS[int(scenario)]}"
            for scenario, (caught, every) in sorted(scenarios.items())
        ]
        told.append(f"{version}: {', '.join(each)}")
    return "; ".join(told)


def _summarise(
    cluster: Cluster, summary: Mapping[str, Any], first_score: float, caught: Sequence[str]
) -> list[str]:
    decisions = ", ".join(f"{count} {name}" for name, count in summary["decisions"].items())
    versions = ", ".join(f"{count} by {name}" for name, count in summary["versions"].items())
    rows = {
        "first score": f"{first_score:.0f} s after the command",
        "transactions": f"{summary['answered']} in {summary['seconds']} s,"
        f" {summary['failed']} failed",
        "latency": f"p50 {summary['p50_ms']} ms, p99 {summary['p99_ms']} ms, seen by the client",
        "decisions": decisions,
        "frauds": f"{summary['caught']} caught, {summary['missed']} missed,"
        f" {summary['false_alarms']} false alarms",
        "caught live": _live(summary),
        "in a week": caught[0],
        "": caught[1],
        "versions": versions,
    }
    for name, text in rows.items():
        out(f"  {name:14}{text}")
    problems = list(_problems(summary))
    for problem in problems:
        out(f"  NOT AS TOLD: {problem}")
    out(
        f"""
  All of it still runs. To go on:
    export KUBECONFIG={cluster.kubeconfig} PATH={cluster.kubectl_path.parent}:$PATH
    kubectl get fd -A -o wide
    kubectl explain frauddetector.spec.model
    kubectl -n {NAMESPACE} get deployment,pod,service,configmap -l fraudops.io/detector={DETECTOR}
    kubectl -n {NAMESPACE} scale fd/{DETECTOR} --replicas=3
    kubectl -n {OPERATOR_NAMESPACE} logs deployment/fraud-operator
    make demo-down      # removes everything, the cluster too"""
    )
    return problems


def _problems(summary: Mapping[str, Any]) -> Iterator[str]:
    """What the demo promises and did not keep."""
    versions = summary["versions"]
    if summary["failed"]:
        yield f"{summary['failed']} requests failed: {summary['failures']}"
    if not {"v1", "v2"} <= set(versions):
        yield "v1 and v2 did not both answer"
    if "v3" in versions:
        yield "the damaged v3 answered"


def _remove_from(cluster: Cluster) -> None:
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    manifests = [
        f"--image={images.tag_of('operator')}",
        f"--scorer-image={images.tag_of('scorer')}",
    ]
    shell = Shell(cluster.environment)
    text = shell.run(str(Path(sys.executable).with_name("fraud-operator")), "manifests", *manifests)
    cluster.kubectl("delete", "--ignore-not-found", "--filename=-", input=text)
