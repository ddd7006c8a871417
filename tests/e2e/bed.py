"""What the end-to-end tests stand on: an installed operator, and a namespace with a real bucket.

Everything is done as a user does it: manifests through kubectl, versions through the S3 API,
transactions through the detector's Service.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.linear_model import LogisticRegression

from examples.demo import bucket
from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.manifest import Feature, Thresholds
from fraud_scorer.artifact.plan import s3_location
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import Store
from fraud_scorer.publishing import Published, publish_model
from tests.cluster import Cluster, images

OPERATOR_NAMESPACE = "fraudops-system"
OPERATOR = "fraud-operator"
OPERATOR_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}"
BUCKET_MANIFESTS = Path("examples/demo/bucket.yaml")
SECONDS = 120.0
T = TypeVar("T")
CLIENT = "client"
BED = "fraudops.io/test-bed"
"""The label of namespaces that tests made."""
POST = """
import json, sys, urllib.request, urllib.error
request = urllib.request.Request(
    sys.argv[1], sys.argv[2].encode(), {"Content-Type": "application/json"})
try:
    answer = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, json.load(answer)]))
"""
FEATURES = (
    Feature(name="amount", type="number", minimum=0, reason="A1"),
    Feature(name="night", type="number"),
)


def manifests(*arguments: str) -> str:
    """What `fraud-operator manifests` writes for the images of this tree."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "fraud_operator.cli.main", "manifests"),
            f"--namespace={OPERATOR_NAMESPACE}",
            f"--image={images.tag_of('operator')}",
            f"--scorer-image={images.tag_of('scorer')}",
            *(f"--{name}-image={images.repository_of(name)}" for name in images.STORE_NAMES),
            *arguments,
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def wait_for(what: str, look: Callable[[], T], seconds: float = SECONDS) -> T:
    """What `look` returns once that is true. Raises AssertionError with the last that it was."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; last: {found!r}"
        time.sleep(0.2)
    return found


@dataclass(frozen=True)
class Bed:
    """A namespace with a bucket, and the detectors that a test makes in it."""

    cluster: Cluster
    namespace: str
    where: bucket.Reachable

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        """kubectl in the namespace."""
        return self.cluster.kubectl(
            "--namespace", self.namespace, *arguments, input=input, check=check
        )

    def get(self, kind: str, *arguments: str) -> Any:
        """Objects as JSON data: one where it is named, otherwise the list's items."""
        found = json.loads(self.kubectl("get", kind, *arguments, "--output=json"))
        return found.get("items", found)

    def store(self, prefix: str) -> S3Store:
        """The model store of a detector, as those who publish see it."""
        location = s3_location(f"s3://{bucket.BUCKET}/{prefix}/", endpoint=self.where.endpoint)
        keys = self.where.keys
        return S3Store(location, Keys(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]))

    def publish(
        self,
        prefix: str,
        version: str,
        *,
        seed: int = 0,
        to: Store | None = None,
        model: Any = None,
        kept: Sequence[Feature] = (),
    ) -> Published:
        """Publish a small model, into the bucket unless told otherwise; another seed is another
        model. `model`: a fitted one of your own, for the same features. `kept`: features beside
        the two that are sent."""
        rng = np.random.default_rng(seed)
        columns = [rng.gamma(2.0, 40.0, 400), rng.integers(0, 2, 400)]
        fraud = columns[0] + 60 * columns[1] + rng.normal(0, 20, 400) > 180
        features = (*FEATURES, *kept)
        rows = np.column_stack([*columns, *(rng.integers(0, 9, 400) for _ in kept)])
        named = [
            {one.name: float(value) for one, value in zip(features, row, strict=True)}
            for row in rows
        ]
        return publish_model(
            model or LogisticRegression().fit(rows, fraud),
            to=to or self.store(prefix),
            model=prefix,
            version=version,
            features=features,
            golden=named[:8],
            reference=named,
            reasons={"A1": "The amount is unusual for this card"},
            thresholds=Thresholds(review="0.50", decline="0.90"),
        )

    def apply(self, name: str, spec: Mapping[str, Any] | None = None) -> None:
        """Apply a small detector that reads the bucket below its own name."""
        source = {
            "bucket": bucket.BUCKET,
            "prefix": f"{name}/",
            "endpoint": f"http://{bucket.SERVICE}.{self.namespace}.svc:{bucket.PORT}",
            "credentialsSecret": bucket.SECRET,
        }
        small: dict[str, Any] = {
            "model": {"source": {"s3": source}, "syncInterval": "2s"},
            "scorer": {
                "replicas": 2,
                "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}},
            },
        }
        detector = {
            "apiVersion": "fraudops.io/v1beta1",
            "kind": "FraudDetector",
            "metadata": {"name": name},
            "spec": _merged(small, spec or {}),
        }
        self.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(detector))

    def detector(self, name: str) -> Any:
        """The FraudDetector as the API server has it."""
        return self.get("frauddetector", name)

    def condition(self, name: str, kind: str) -> Mapping[str, Any]:
        """One of its conditions; {} while it is not there."""
        found = self.detector(name)["status"].get("conditions", [])
        return next((one for one in found if one["type"] == kind), {})

    def wait_ready(self, name: str) -> None:
        """Wait as `kubectl wait` does."""
        self.kubectl(
            "wait", "--for=condition=Ready", f"frauddetector/{name}", f"--timeout={SECONDS:.0f}s"
        )

    def wait_active(self, name: str, version: str) -> None:
        """Wait until every pod serves the version."""
        self.kubectl(
            "wait",
            f"--for=jsonpath={{.status.model.activeVersion}}={version}",
            f"frauddetector/{name}",
            f"--timeout={SECONDS:.0f}s",
        )

    def pods(self, name: str) -> list[Any]:
        """The scorer pods that are there and not going."""
        scorers = f"fraudops.io/detector={name},app.kubernetes.io/name=fraud-scorer"
        found = self.get("pods", f"--selector={scorers}")
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def story(self) -> str:
        """Everything one would look at by hand to see what went wrong."""
        log = self.cluster.kubectl(
            *("logs", "--namespace", OPERATOR_NAMESPACE, f"deployment/{OPERATOR}", "--tail=40"),
            check=False,
        )
        looks = (
            ("describe", "frauddetectors"),
            ("get", "pods", "--output=wide"),
            ("logs", "--selector=app.kubernetes.io/name=fraud-scorer", "--tail=20"),
            ("get", "events", "--sort-by=.lastTimestamp"),
        )
        return "\n".join([*(self.kubectl(*look, check=False) for look in looks), log])

    def score(self, name: str, transaction_id: str, features: Mapping[str, Any]) -> Any:
        """The answer to one transaction, through the Service."""
        status, answer = self.post(
            f"http://{name}-scorer/v1/score", transaction(transaction_id, features)
        )
        assert status == 200, answer
        return answer

    def post(self, url: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of an answer, asked for by the pod `client` of this namespace."""
        said = self.kubectl("exec", CLIENT, "--", "python3", "-c", POST, url, json.dumps(body))
        status, answer = json.loads(said)
        return status, answer


def transaction(transaction_id: str, features: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked to be scored."""
    return {
        "transaction_id": transaction_id,
        "event_time": "2026-01-01T12:00:00Z",
        "entities": {"customer": "c1", "terminal": "t1"},
        "amount_minor": 1999,
        "currency": "EUR",
        "features": features,
    }


@contextmanager
def installed(cluster: Cluster) -> Iterator[None]:
    """The operator of this tree, installed; removed afterwards unless it was there before."""
    with_progress = images.build()
    cluster.load(*map(images.tag_of, with_progress))
    deployment = ("--namespace", OPERATOR_NAMESPACE, "deployment", OPERATOR)
    found = cluster.kubectl("get", *deployment, "--ignore-not-found", "--output=name")
    cluster.kubectl("apply", "--server-side", "--filename=-", input=manifests())
    if found:
        # Under the same tag there may be another image now.
        cluster.kubectl("rollout", "restart", "--namespace", OPERATOR_NAMESPACE, found.strip())
    target = f"deployment/{OPERATOR}"
    cluster.kubectl(
        "rollout", "status", "--namespace", OPERATOR_NAMESPACE, target, "--timeout=180s"
    )
    try:
        yield
    finally:
        # All at once: each alone takes as long, most of it waiting.
        cluster.kubectl("wait", "--for=delete", "namespace", f"--selector={BED}", "--timeout=180s")
        if not found:
            cluster.kubectl(
                *("delete", "--filename=-", "--ignore-not-found", "--timeout=120s"),
                input=manifests(),
            )


@contextmanager
def made_bed(cluster: Cluster, namespace: str) -> Iterator[Bed]:
    """A namespace that takes restricted pods only, with a bucket in it.

    Its removal is asked for afterwards, and waited for when the operator goes."""
    cluster.kubectl("create", "namespace", namespace)
    try:
        cluster.kubectl(
            *("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"),
            f"{BED}=true",
        )
        text = BUCKET_MANIFESTS.read_text().replace("fraud-detection", namespace)
        cluster.kubectl("apply", "--server-side", "--filename=-", input=text)
        cluster.kubectl(
            *("rollout", "status", "--namespace", namespace, "deployment/bucket"),
            "--timeout=120s",
        )
        cluster.kubectl(
            *("apply", "--server-side", "--namespace", namespace, "--filename=-"),
            input=json.dumps(_client()),
        )
        cluster.kubectl(
            *("wait", "--namespace", namespace, f"pod/{CLIENT}", "--for=condition=Ready"),
            "--timeout=60s",
        )
        with bucket.reachable(cluster, namespace) as where:
            bucket.create(where)
            yield Bed(cluster, namespace, where)
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def _client() -> dict[str, Any]:
    """A pod that waits to be told what to ask."""
    container = {
        "name": CLIENT,
        "image": images.tag_of("scorer"),
        "command": ["python3", "-c", "import signal; signal.sigwait({signal.SIGTERM})"],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": CLIENT},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid over it; None takes a field away."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(old, value) if both else value
    return merged
