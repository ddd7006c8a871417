"""A cluster in memory with the operator's real controller in it, and a clock that jumps.

What is real: work queue, view, plan, apply, prune, status, Events. What stands in: the API server
(tests.support.kube), the watches (delivered at once), the Deployment and garbage collectors, the
pods' verdict on a model, and the model store's listing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

from fraud_operator.apply.applier import Applier
from fraud_operator.apply.contention import Contention
from fraud_operator.controller import Controller
from fraud_operator.models.source import Source
from fraud_operator.models.stores import ModelStores
from fraud_operator.observe.observer import Observer
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.types import OperatorDefaults, StoreVersion, StoreView
from fraud_operator.runtime import kinds
from fraud_operator.runtime.events import Recorder
from fraud_operator.runtime.kube import Object
from fraud_operator.runtime.queue import WorkQueue
from fraud_scorer.artifact.manifest import Engine, Feature, FileRef, Framework, Manifest, Thresholds
from tests.support.kube import FakeKube

NAMESPACE, NAME = "fraud", "cards"
KEY = Key(NAMESPACE, NAME)
SCORER = f"{NAME}-scorer"
START = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = "registry.example/scorer:1"
_HORIZON = 120.0
"""Seconds that `settle` looks ahead: backoffs and rechecks come to pass, and nothing else."""


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
    digest = (content or name).encode().hex().ljust(64, "0")[:64]
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
    return StoreVersion(name, manifest, manifest_sha256="0" * 64)


class Stores:
    """Stands in for ModelStores: what the store holds is known at once."""

    def __init__(self, view: Callable[[], StoreView]) -> None:
        self._view = view
        self.followed: dict[Key, Source] = {}

    def follow(self, key: Key, source: Source) -> StoreView:
        self.followed[key] = source
        return self._view()

    def wake(self, key: Key) -> None:
        pass

    def forget(self, key: Key) -> None:
        self.followed.pop(key, None)


@dataclass
class World:
    """The cluster, and the operator process that is alive at the moment."""

    kube: FakeKube = field(default_factory=FakeKube)
    view: StoreView = field(default_factory=lambda: StoreView((version("v1"),), listed=True))
    refused: dict[str, str] = field(default_factory=dict)
    """What pods find wrong with a version: the reason by version."""
    pending: bool = False
    """Whether pods wait for a node that never comes."""
    image: str = IMAGE
    now: float = 0.0

    def __post_init__(self) -> None:
        self.kube.watchers.append(self._deliver)
        self.start()

    def start(self) -> None:
        """A new operator process: nothing of the one before is left but the cluster."""
        self.store = ObjectStore(clock=lambda: self.now)
        self.queue: WorkQueue[Key] = WorkQueue(clock=lambda: self.now, rng=Random(1))
        self.stores = Stores(lambda: self.view)
        secrets = Secrets(self.kube, clock=lambda: self.now)
        self.controller = Controller(
            kube=self.kube,
            store=self.store,
            observer=Observer(self.store, secrets),
            stores=cast(ModelStores, self.stores),
            applier=Applier(self.kube, self.store, Contention(clock=lambda: self.now)),
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
        end = self.now + _HORIZON
        for _ in range(10_000):
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
        """The Deployment controller, kubelets and the garbage collector; whether they did."""
        before = next(self.kube._versions)
        self.kube.collect_garbage()
        for kind, namespace, name in list(self.kube.objects):
            if kind == "Deployment":
                self._roll_out(namespace, name)
            elif kind == "Pod" and ("Deployment", namespace, SCORER) not in self.kube.objects:
                self.kube.remove(kinds.POD, namespace, name)
        return next(self.kube._versions) > before + 1

    def _roll_out(self, namespace: str, name: str) -> None:
        deployment = self.kube.read(kinds.DEPLOYMENT, namespace, name)
        replicas = deployment["spec"]["replicas"]
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        revision = annotations["fraudops.io/model-revision"]
        before = deployment.get("status", {})
        reason = self._verdict(namespace, revision)
        self._pod(namespace, revision, reason)
        ready = before.get("readyReplicas", 0) if reason or self.pending else replicas
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": ready + (1 if reason else 0),
            "updatedReplicas": 1 if reason else replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        self.kube.set_status(kinds.DEPLOYMENT, namespace, name, status)

    def _verdict(self, namespace: str, revision: str) -> str:
        plan = self._plan(namespace, revision)
        return self.refused.get(plan["active"]["version"], "") if plan else "PlanMissing"

    def _plan(self, namespace: str, revision: str) -> dict[str, Any] | None:
        config = self.kube.objects.get(("ConfigMap", namespace, f"{NAME}-model-plan"))
        if config is None:
            return None
        data = self.kube.read(kinds.CONFIG_MAP, namespace, f"{NAME}-model-plan")["data"]
        text = data.get(f"{revision}.json")
        return json.loads(text) if text else None

    def _pod(self, namespace: str, revision: str, reason: str) -> None:
        """The one pod that refuses; it goes when its template does."""
        name = f"{SCORER}-refusing"
        exists = ("Pod", namespace, name) in self.kube.objects
        plan = self._plan(namespace, revision)
        if not reason or plan is None:
            if exists:
                self.kube.remove(kinds.POD, namespace, name)
            return
        active = plan["active"]
        message = {
            "reason": reason,
            "version": active["version"],
            "digest": active["digest"],
            "file": active["model"]["path"],
            "expected": active["digest"],
            "actual": "sha256:" + "f" * 64,
            "message": f"{active['model']['path']} is damaged",
        }
        ended = {"terminated": {"exitCode": 3, "message": json.dumps(message)}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"fraudops.io/detector": NAME},
                "annotations": {"fraudops.io/model-revision": revision},
            },
            "spec": {},
            "status": {"containerStatuses": [{"name": "scorer", "lastState": ended}]},
        }
        if not exists or self.kube.read(kinds.POD, namespace, name)["status"] != pod["status"]:
            self.kube.put(pod, manager="kubelet")
