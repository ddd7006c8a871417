"""A cluster in memory with the operator's real controller in it, and a clock that jumps.

What is real: work queue, view, plan, apply, prune, status, Events. What stands in: the API server
(tests.support.kube), the watches (delivered at once), the Deployment, Job and garbage collectors,
what verification finds of a version, pods and the way to their management ports, and the model
store's listing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

from fraud_operator.apply.applier import Applier
from fraud_operator.apply.contention import Contention
from fraud_operator.controller import Controller
from fraud_operator.models.fleet import Fleet
from fraud_operator.models.source import Source
from fraud_operator.models.stores import ModelStores
from fraud_operator.observe.management import Tokens
from fraud_operator.observe.observer import Observer
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.children import SERVING_LABEL
from fraud_operator.plan.release.record import Entry
from fraud_operator.plan.types import OperatorDefaults, PodState, StoreVersion, StoreView
from fraud_operator.runtime import kinds
from fraud_operator.runtime.events import Recorder
from fraud_operator.runtime.kube import Object
from fraud_operator.runtime.queue import WorkQueue
from fraud_scorer.artifact import verdict as verdicts
from fraud_scorer.artifact.digest import canonical_json, sha256_hex
from fraud_scorer.artifact.manifest import Engine, Feature, FileRef, Framework, Manifest, Thresholds
from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.report import Report
from fraud_scorer.artifact.verdict import Verdict
from tests.support.kube import FakeKube
from tests.support.plans import digest_of
from tests.support.scorers import StandIn
from tests.support.verdicts import proven

NAMESPACE, NAME = "fraud", "cards"
KEY = Key(NAMESPACE, NAME)
SCORER = f"{NAME}-scorer"
START = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = "registry.example/scorer:1"


def detector(**spec: Any) -> Object:
    """A small FraudDetector; `spec` is merged at its top level."""
    return {
        "apiVersion": "fraudops.io/v1beta1",
        "kind": "FraudDetector",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "model": {
                "source": {"s3": {"bucket": "models", "prefix": "cards/", "endpoint": "http://s3"}}
            },
            "scorer": {"replicas": 2},
            **spec,
        },
    }


def version(name: str, *, day: int = 1, content: str = "") -> StoreVersion:
    """A published version; its bytes are made of `content`, else of its name."""
    digest = digest_of(content or name)
    manifest = Manifest(
        schema_version=1,
        model="cards",
        version=name,
        created_at=START + timedelta(days=day),
        framework=Framework(name="scikit-learn", version="1.9", python="3.13"),
        engine=Engine(format="fdm", version=1),
        files=(FileRef(path="model.fdm", sha256=digest, size=1, role="model"),),
        features=(Feature(name="amount", type="number"),),
        golden=(),
        thresholds=Thresholds(review="0.5", decline="0.9"),
    )
    return StoreVersion(name, manifest, sha256_hex(f"{name} {day} {content}".encode()))


class Stores:
    """Stands in for ModelStores: what the store holds is known at once."""

    def __init__(self, view: Callable[[], StoreView], ledger: dict[str, Entry]) -> None:
        self._view = view
        self._ledger = ledger
        self.followed: dict[Key, Source] = {}

    def follow(self, key: Key, source: Source, wanted: Set[str] = frozenset()) -> StoreView:
        self.followed[key] = source
        view = self._view()
        return replace(view, ledger=tuple(self._ledger.values())) if view.listed else view

    def wake(self, key: Key) -> None:
        pass

    def look_now(self, key: Key, request: str) -> None:
        pass

    def record(self, key: Key, entries: Sequence[Entry]) -> None:
        for one in entries:
            self._ledger[f"{one.digest} {one.version}"] = one

    def forget(self, key: Key) -> None:
        self.followed.pop(key, None)


class Way:
    """Stands in for Fleet: what is pushed to pods arrives at once, and what they say is heard."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._heard: dict[str, Report] = {}
        self._silent: dict[str, float] = {}
        self._states: tuple[PodState, ...] = ()

    def see(self, key: Key, pods: Iterable[Mapping[str, Any]]) -> tuple[PodState, ...]:
        there = {pod["metadata"]["name"]: pod for pod in pods}
        self._states = tuple(self._state(pod) for _, pod in sorted(there.items()))
        return self._states

    def follow(self, key: Key, plan: ModelPlan, token: str) -> None:
        for name, pod in self._world.pods.items():
            if pod.hangs:
                self._silent.setdefault(name, self._world.now)
                self._world.queue.add_after(key, 1.0)
                continue
            self._silent.pop(name, None)
            if pod.plan is None or pod.plan.serial < plan.serial:
                pod.plan = plan
            report = pod.report()
            if self._heard.get(name) != report:
                self._heard[name] = report
                self._world.queue.hurry(key)

    def forget(self, key: Key) -> None:
        self._heard.clear()

    def _state(self, pod: Mapping[str, Any]) -> PodState:
        name = pod["metadata"]["name"]
        silent = self._silent.get(name)
        return PodState(
            name=name,
            uid=pod["metadata"]["uid"],
            ready=True,
            serving=pod["metadata"]["labels"].get(SERVING_LABEL) == "true",
            report=self._heard.get(name),
            unreached_seconds=0.0 if silent is None else self._world.now - silent,
            problem="" if silent is None else "no answer",
        )


@dataclass
class World:
    """The cluster, and the operator process that is alive at the moment."""

    kube: FakeKube = field(default_factory=FakeKube)
    view: StoreView = field(default_factory=lambda: StoreView((version("v1"),), listed=True))
    refused: dict[str, str] = field(default_factory=dict)
    """What verification finds wrong with a version: the reason by version."""
    never_ends: set[str] = field(default_factory=set)
    """Versions whose verification does not."""
    pods: dict[str, StandIn] = field(default_factory=dict)
    """Scorer pods, by name."""
    ledger: dict[str, Entry] = field(default_factory=dict)
    """What the store's quarantine holds."""
    pending: bool = False
    """Whether pods wait for a node that never comes."""
    image: str = IMAGE
    now: float = 0.0
    horizon: float = 120.0
    """Seconds that `settle` looks ahead: backoffs and rechecks come to pass, and nothing else."""

    def __post_init__(self) -> None:
        self.kube.watchers.append(self._deliver)
        self.kube.now = self.time
        self.published = {one.version: one for one in self.view.versions}
        self.start()

    def start(self) -> None:
        """A new operator process: nothing of the one before is left but the cluster."""
        self.store = ObjectStore(clock=lambda: self.now)
        self.queue: WorkQueue[Key] = WorkQueue(clock=lambda: self.now, rng=Random(1))
        self.stores = Stores(lambda: self.view, self.ledger)
        fleet = cast(Fleet, Way(self))
        tokens = Tokens(self.kube, clock=lambda: self.now)
        secrets = Secrets(self.kube, clock=lambda: self.now)
        self.controller = Controller(
            kube=self.kube,
            store=self.store,
            observer=Observer(self.store, secrets, tokens, fleet),
            stores=cast(ModelStores, self.stores),
            fleet=fleet,
            applier=Applier(
                self.kube,
                self.store,
                Contention(clock=lambda: self.now),
                made_secret=tokens.made,
            ),
            recorder=Recorder(self.kube, "operator-1", now=self.time),
            defaults=OperatorDefaults(self.image),
            now=self.time,
        )
        for (_, namespace, name), stored in list(self.kube.objects.items()):
            if stored.kind in kinds.WATCHED:
                self.store.put(stored.kind, self.kube.read(stored.kind, namespace, name))
        for key in self.store.known():
            self.queue.add(key)

    def time(self) -> datetime:
        """The time of day."""
        return START + timedelta(seconds=self.now)

    async def settle(self) -> None:
        """Let everything happen that is due to happen, until nothing does any more."""
        await self.until(lambda: False)

    async def until(self, there: Callable[[], bool]) -> None:
        """`settle`, or less: until that is so."""
        end = self.now + self.horizon
        for _ in range(10_000):
            if there():
                return
            key = self.queue.take()
            if key is not None:
                try:
                    again_after = await self.controller.work(key)
                except Exception:
                    self.queue.failed(key)
                else:
                    self.queue.done(key, again_after)
                continue
            if self._others_act():
                continue
            wait = self.queue.wait()
            if wait is None or self.now + wait > end:
                return
            self.now += wait
        raise AssertionError("the cluster never comes to rest")

    # What the user and the world do.

    def change(self, **spec: Any) -> None:
        """The user edits the spec; None removes a field."""

        def edit(obj: Object) -> None:
            for field_, value in spec.items():
                if value is None:
                    obj["spec"].pop(field_, None)
                else:
                    obj["spec"][field_] = value

        self.kube.edit(kinds.FRAUD_DETECTOR, NAMESPACE, NAME, edit, by="kubectl")

    def publish(self, *versions: StoreVersion) -> None:
        """The store now holds these, newest first; the operator hears of it."""
        self.view = StoreView(versions, listed=True)
        self.published |= {one.version: one for one in versions}
        self.queue.add(KEY)

    def edit(self, kind: kinds.Kind, name: str, change: Callable[[Object], None], by: str) -> None:
        """Somebody edits an object of the namespace."""
        self.kube.edit(kind, NAMESPACE, name, change, by=by)

    def read(self, kind: kinds.Kind, name: str) -> Object:
        """An object of the namespace; KeyError where there is none."""
        return self.kube.read(kind, NAMESPACE, name)

    @property
    def status(self) -> dict[str, Any]:
        """The detector's."""
        status: dict[str, Any] = self.read(kinds.FRAUD_DETECTOR, NAME)["status"]
        return status

    def condition(self, type_: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = {one["type"]: one for one in self.status["conditions"]}[type_]
        return found["status"], found["reason"]

    def children(self) -> set[tuple[str, str]]:
        """Kind and name of everything that the operator made."""
        made = {kind.kind for kind in kinds.CHILDREN}
        return {(kind, name) for kind, _, name in self.kube.objects if kind in made}

    def events(self, reason: str = "") -> list[str]:
        """Messages of the Events, in order."""
        found = [
            self.kube.read(kinds.EVENT, namespace, name)
            for kind, namespace, name in self.kube.objects
            if kind == "Event"
        ]
        return [one["message"] for one in found if reason in ("", one["reason"])]

    def _deliver(self, kind: kinds.Kind, event: str, obj: Object) -> None:
        if kind not in kinds.WATCHED:
            return
        news = self.store.remove(kind, obj) if event == "DELETED" else self.store.put(kind, obj)
        for key in news:
            self.queue.add(key)

    def _others_act(self) -> bool:
        """The Deployment and Job controllers, kubelets and the garbage collector; whether they
        did."""
        before = next(self.kube._versions)
        self.kube.collect_garbage()
        for kind, namespace, name in list(self.kube.objects):
            if kind == "Deployment":
                self._roll_out(namespace, name)
            elif kind == "StatefulSet":
                self._run_store(namespace, name)
            elif kind == "Job" and "-schema-" in name:
                self._migrate(namespace, name)
            elif kind == "Job":
                self._run(namespace, name)
            elif name in self.pods and ("Deployment", namespace, SCORER) not in self.kube.objects:
                self._remove_pod(namespace, name)
        return next(self.kube._versions) > before + 1

    def _roll_out(self, namespace: str, name: str) -> None:
        deployment = self.kube.read(kinds.DEPLOYMENT, namespace, name)
        replicas, template = deployment["spec"]["replicas"], deployment["spec"]["template"]
        revision = sha256_hex(canonical_json(template))[:8]
        wanted = {f"{name}-{revision}-{number}" for number in range(replicas)}
        if not self.pending:
            for pod in self.pods.keys() - wanted:
                self._remove_pod(namespace, pod)
            for pod in sorted(wanted - self.pods.keys()):
                self._add_pod(namespace, pod, template)
        ready = len(self.pods)
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": ready,
            "updatedReplicas": replicas if not self.pending else 0,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        self.kube.set_status(kinds.DEPLOYMENT, namespace, name, status)

    def _add_pod(self, namespace: str, name: str, template: Object) -> None:
        self.pods[name] = StandIn(name)
        self.kube.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": template["metadata"]["labels"],
                },
                "spec": {},
                "status": {
                    "podIP": "127.0.0.1",
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            },
            manager="kubelet",
        )

    def _remove_pod(self, namespace: str, name: str) -> None:
        del self.pods[name]
        if ("Pod", namespace, name) in self.kube.objects:
            self.kube.remove(kinds.POD, namespace, name)

    def _run_store(self, namespace: str, name: str) -> None:
        """A claim for each that the StatefulSet has none of, and a pod that is ready."""
        made = self.kube.read(kinds.STATEFUL_SET, namespace, name)
        for template in made["spec"].get("volumeClaimTemplates", ()):
            meta = template["metadata"]
            claim = f"{meta['name']}-{name}-0"
            if ("PersistentVolumeClaim", namespace, claim) not in self.kube.objects:
                self.kube.put(
                    {
                        "apiVersion": "v1",
                        "kind": "PersistentVolumeClaim",
                        "metadata": {**meta, "name": claim, "namespace": namespace},
                        "spec": template["spec"],
                    },
                    manager="statefulset-controller",
                )
        status = {"observedGeneration": made["metadata"]["generation"], "readyReplicas": 1}
        self.kube.set_status(kinds.STATEFUL_SET, namespace, name, status)

    def _migrate(self, namespace: str, name: str) -> None:
        done = {"conditions": [{"type": "Complete", "status": "True"}]}
        self.kube.set_status(kinds.JOB, namespace, name, done)

    def _run(self, namespace: str, name: str) -> None:
        """A verification, to its end."""
        pod = f"{name}-pod"
        if ("Pod", namespace, pod) in self.kube.objects:
            return
        job = self.kube.read(kinds.JOB, namespace, name)
        said = job["metadata"]["annotations"]
        if said["fraudops.io/version"] in self.never_ends:
            return
        verdict = self._verdict(said["fraudops.io/version"], said["fraudops.io/source"])
        message = verdicts.encode(verdict).decode()
        ended = {"terminated": {"exitCode": 0, "message": message}}
        owner = {"kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": True}
        self.kube.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": pod,
                    "namespace": namespace,
                    "labels": job["spec"]["template"]["metadata"]["labels"],
                    "ownerReferences": [owner],
                },
                "spec": {},
                "status": {
                    "phase": "Succeeded",
                    "containerStatuses": [{"name": "judge", "state": ended}],
                },
            },
            manager="kubelet",
        )

    def _verdict(self, name: str, source: str) -> Verdict:
        published = self.published[name]
        assert published.manifest is not None
        model, reason = published.manifest.model_file, self.refused.get(name)
        if reason is not None:
            return Verdict(
                outcome="Refused",
                reason=reason,  # type: ignore[arg-type]
                version=name,
                source=source,
                digest=published.manifest.digest,
                file=f"{name}/{model.path}",
                expected=published.manifest.digest,
                actual="sha256:" + "f" * 64,
                message=f"{name}/{model.path} is damaged",
            )
        return proven(published.manifest, source)
