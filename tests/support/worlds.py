"""A detector's world in memory, for tests of `plan`: a model store, children, and pods that obey.

`World.step` plans and carries the plan out the way the operator does, so that a test can say what
happens to the detector and look at what the plan makes of it. Nothing of a real API server is
modelled beyond what `plan` reads back.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.detector import plan
from fraud_operator.plan.model_plan import memory
from fraud_operator.plan.release.decision import WantedVerification
from fraud_operator.plan.types import (
    ChildKey,
    ChildResult,
    Event,
    Inputs,
    Manifested,
    Observed,
    OperatorDefaults,
    Plan,
    PodState,
    Request,
    StoreVersion,
    StoreView,
    Verification,
)
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Framework,
    Golden,
    Manifest,
    Thresholds,
)
from tests.support.releases import Ending, Pod, verdict

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DEFAULTS = OperatorDefaults(scorer_image="registry.test/scorer:1")
MINIMAL: Mapping[str, Any] = {
    "model": {"source": {"s3": {"bucket": "fraud-models", "prefix": "card-payments/"}}}
}
FULL: Mapping[str, Any] = {
    "model": {
        "source": {
            "s3": {
                "bucket": "fraud-models",
                "prefix": "card-payments/",
                "region": "eu-west-1",
                "endpoint": "http://bucket.storage.svc:7070",
                "credentialsSecret": "model-store",
            }
        },
        "version": "v1",
        "syncInterval": "5m",
    },
    "scoring": {"thresholds": {"review": "0.40", "decline": "0.80"}, "reasons": 2},
    "capacity": {"transactionsPerDay": "10M"},
    "scorer": {
        "image": "registry.test/own-scorer:7",
        "resources": {
            "requests": {"cpu": "1500m", "memory": "1.5Gi"},
            "limits": {"cpu": 2, "memory": "2Gi"},
        },
        "maxUnavailable": 2,
        "terminationGracePeriodSeconds": 45,
        "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/fraud"},
        "topologySpread": [
            {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "nodeSelector": {"pool": "scoring"},
        "tolerations": [{"key": "scoring", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "payments",
        "imagePullSecrets": [{"name": "registry"}],
        "extraEnv": [
            {"name": "LOG_LEVEL", "value": "debug"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "one"}}},
        ],
    },
    "autoscaling": {
        "minReplicas": 4,
        "maxReplicas": 12,
        "cpuUtilization": 60,
        "scaleDownStabilizationSeconds": 0,
    },
}


def detector(
    spec: Mapping[str, Any] = MINIMAL,
    *,
    generation: int = 1,
    status: Mapping[str, Any] | None = None,
    name: str = "card-payments",
) -> FraudDetector:
    """A detector in the namespace `fraud-detection`."""
    return FraudDetector.parse(
        {
            "metadata": {
                "name": name,
                "namespace": "fraud-detection",
                "uid": "6c9d5a3e-0000-4000-8000-000000000001",
                "generation": generation,
            },
            "spec": spec,
            "status": status or {"observedGeneration": -1},
        }
    )


def manifest(
    version: str,
    *,
    content: str = "",
    thresholds: Thresholds | None = None,
    at: int = 0,
) -> Manifest:
    """A version whose model file holds `content` (its own name where that is empty), made `at`
    seconds after NOW."""
    return Manifest(
        schema_version=1,
        model="card-payments",
        version=version,
        created_at=NOW + timedelta(seconds=at),
        framework=Framework(name="scikit-learn", version="1.9.0", python="3.13"),
        engine=Engine(format="fdm", version=1),
        files=(
            FileRef(
                path="model.fdm",
                sha256=hashlib.sha256((content or version).encode()).hexdigest(),
                size=1234,
                role="model",
            ),
        ),
        features=(Feature(name="amount", type="number"),),
        golden=(Golden(features={"amount": 1.0}, score=0.5),),
        thresholds=thresholds,
    )


def stored(one: Manifest) -> StoreVersion:
    """The version as the store lists it."""
    sha256 = hashlib.sha256(repr(one).encode()).hexdigest()
    return StoreVersion(one.version, one, sha256)


def damaged(version: str) -> StoreVersion:
    """A version whose manifest cannot be used."""
    return StoreVersion(version, None, problem=f"{version}/manifest.json: $: not JSON")


def listing(*versions: str | StoreVersion) -> StoreView:
    """A store that was looked at; newest first."""
    return StoreView(
        tuple(one if isinstance(one, StoreVersion) else stored(manifest(one)) for one in versions),
        listed=True,
    )


def inputs(
    spec: Mapping[str, Any] = MINIMAL,
    *,
    store: StoreView | None = None,
    defaults: OperatorDefaults = DEFAULTS,
    **observed: Any,
) -> Inputs:
    """Inputs of a detector of which nothing exists yet but a store with the version v1."""
    return Inputs(
        detector=detector(spec),
        observed=Observed(**observed),
        store=listing("v1") if store is None else store,
        defaults=defaults,
        now=NOW,
    )


@dataclass
class World:
    """Everything around one detector. Change what is in it, then `step`."""

    spec: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(dict(MINIMAL)))
    store: StoreView = field(default_factory=lambda: listing("v1"))
    defaults: OperatorDefaults = DEFAULTS
    now: datetime = NOW
    generation: int = 1
    status: dict[str, Any] = field(default_factory=lambda: {"observedGeneration": -1})
    children: dict[ChildKey, Manifested] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    results: Sequence[ChildResult] = ()
    refused: dict[str, Ending] = field(default_factory=dict)
    """How verifications end, by digest; Proven where nothing is said."""
    pods: list[Pod] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    status_writes: int = 0
    pods_made: int = 0
    """How many times the template changed."""
    judged: dict[str, Verification] = field(default_factory=dict)
    request: Request | None = None
    damaged_blobs: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    """StatefulSets that do not become ready."""
    migrations: str = "Complete"
    """How they end: Complete, Failed, or not at all."""

    def change(self, **spec: Any) -> None:
        """Change the spec, as a user does."""
        self.spec = {**self.spec, **spec}
        self.generation += 1

    def step(self) -> Plan:
        """Plan once and carry it out. Time passes."""
        self.now += timedelta(seconds=10)
        made = plan(self.inputs())
        self._apply(made)
        if made.release is not None and made.release.plan is not None:
            for pod in self.pods:
                pod.follow(made.release.plan)
                pod.heard = pod.report()
        self._verify(made)
        self._write(made)
        return made

    def settle(self) -> Plan:
        """Step until nothing moves; pods start."""
        for _ in range(30):
            before = copy.deepcopy((self.status, self.children))
            made = self.step()
            self.run_stores()
            self.run_pods()
            if before == (self.status, self.children):
                return made
        raise AssertionError("it never comes to rest")

    def inputs(self) -> Inputs:
        """What the operator would plan from now."""
        return Inputs(
            detector=detector(self.spec, generation=self.generation, status=self.status),
            observed=Observed(
                children=copy.deepcopy(self.children),
                scorers=tuple(
                    PodState(one.name, one.uid, ready=True, serving=True, report=one.heard)
                    for one in self.pods
                ),
                verifications=tuple(self.judged.values()),
                request=self.request,
                damaged_blobs=frozenset(self.damaged_blobs),
                problems=dict(self.problems),
            ),
            store=self.store,
            defaults=self.defaults,
            now=self.now,
            results=self.results,
        )

    def run_stores(self) -> None:
        """StatefulSets get their claims and become ready, migrations end, unless they are held."""
        for (kind, name), child in list(self.children.items()):
            if kind == "StatefulSet" and name not in self.down:
                child["status"] = {
                    "observedGeneration": child["metadata"]["generation"],
                    "readyReplicas": 1,
                }
            if kind == "StatefulSet":
                for template in child["spec"].get("volumeClaimTemplates", ()):
                    self._claim(name, template)
            if kind == "Job" and "-schema-" in name and self.migrations:
                child["status"] = {"conditions": [{"type": self.migrations, "status": "True"}]}

    def _claim(self, store: str, template: Manifested) -> None:
        meta = template["metadata"]
        name = f"{meta['name']}-{store}-0"
        claim = {**copy.deepcopy(template), "metadata": {**meta, "name": name, "uid": name}}
        self.children.setdefault(("PersistentVolumeClaim", name), claim)

    def run_pods(self) -> None:
        """Pods of the newest template replace the others, and follow the plan."""
        deployment = self.deployment
        if deployment is None:
            self.pods = []
            return
        wanted = deployment["spec"].get("replicas", 1)
        status = deployment.setdefault("status", {})
        status["observedGeneration"] = deployment["metadata"]["generation"]
        status.update(
            dict.fromkeys(
                ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), wanted
            )
        )
        followed = memory(detector(), self.children).plan
        del self.pods[wanted:]
        for number in range(len(self.pods), wanted):
            pod = Pod(f"card-payments-scorer-{number}", f"uid-{number}", plan=followed)
            pod.heard = pod.report()
            self.pods.append(pod)

    @property
    def deployment(self) -> Manifested | None:
        """The scorer's Deployment."""
        return self.children.get(("Deployment", "card-payments-scorer"))

    def condition(self, type_: str) -> Mapping[str, Any]:
        """A condition of the status; empty where there is none."""
        found = (one for one in self.status.get("conditions", ()) if one["type"] == type_)
        return next(found, {})

    def serving(self) -> str:
        """The version that answers; empty: none."""
        followed = memory(detector(), self.children).plan
        return followed.active.version if followed is not None and followed.active else ""

    def _verify(self, made: Plan) -> None:
        """Verifications that are wanted end at once."""
        wanted = made.release.verify if made.release is not None else None
        if wanted is None:
            return
        for version in self.store.versions:
            if (version.version, version.source) == (wanted.version, wanted.source):
                digest = version.manifest.digest if version.manifest is not None else ""
                self.judged[wanted.key] = self._ended(wanted, version, digest)

    def _ended(
        self, wanted: WantedVerification, version: StoreVersion, digest: str
    ) -> Verification:
        ending = self.refused.get(digest, "Proven")
        began = (wanted.version, wanted.source, wanted.key, wanted.attempt)
        if ending == "Inconclusive":
            message = "the node was drained"
            return Verification(*began, "Inconclusive", reason="Evicted", message=message)
        return Verification(*began, "Judged", verdict=verdict(version, ending))

    def _apply(self, made: Plan) -> None:
        wanted: dict[ChildKey, Manifested] = {}
        for one in made.objects:
            key = (one.manifest["kind"], one.manifest["metadata"]["name"])
            wanted[key] = copy.deepcopy(one.manifest)
            if one.hold_replicas is not None:
                wanted[key]["spec"]["replicas"] = one.hold_replicas
        for key, new in wanted.items():
            old = self.children.get(key, {})
            generation = old.get("metadata", {}).get("generation", 0)
            if old.get("spec") != new.get("spec"):
                if key[0] == "Deployment":
                    self.pods_made += old.get("spec", {}).get("template") != new["spec"]["template"]
                generation += 1
            new["metadata"]["generation"] = generation
            if key[0] == "Job":
                created = old.get("metadata", {}).get("creationTimestamp", self.now.isoformat())
                new["metadata"] |= {"uid": key[1], "creationTimestamp": created}
            if "status" in old:
                new["status"] = old["status"]
            self.children[key] = new
        for key in list(self.children):
            if key not in made.lasting and key[0] != "PersistentVolumeClaim":
                del self.children[key]

    def _write(self, made: Plan) -> None:
        if made.release is not None:
            self.events += made.release.events
        if made.status != self.status:
            self.status_writes += 1
            self.status = copy.deepcopy(made.status)
            self.events += made.events
