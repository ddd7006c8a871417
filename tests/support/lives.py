"""Lives of a detector: what people, stores and machines do, and what may strike the operator.

A step changes something and waits for nothing; `live` lets the operator come to rest after each.
Disturbances strike at single writes: the process ends before or after one, or the API server
answers something else than it should.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fraud_operator.plan.release.record import Entry
from fraud_operator.runtime import kinds
from tests.support.kube import Crash, Id, Write, refusal
from tests.support.world import KEY, NAME, NAMESPACE, SCORER, World, detector, version

Step = Callable[[World], None]
_PAUSE_SECONDS = 400.0
"""Between steps: so that putting back what somebody did is never the third time in five minutes,
which a new process would not know of."""
_HORIZON_SECONDS = 30.0
"""More than the backoffs of four failures; what is due later is, after the pause. Of a pod
that stays silent the operator looks every second: that would be most of what it does in a life."""


def create(world: World) -> None:
    if not exists(world):
        world.kube.put(detector())


def create_autoscaled(world: World) -> None:
    if not exists(world):
        world.kube.put(detector(scorer={}, autoscaling={"minReplicas": 3, "maxReplicas": 6}))


def create_with_stores(world: World) -> None:
    if not exists(world):
        world.kube.put(detector(redis={"managed": {}}, postgres=_postgres()))


def grow_the_volume(world: World) -> None:
    change(world, postgres=_postgres(storage="20Gi"))


def keep_nothing(world: World) -> None:
    change(world, postgres=_postgres(storage="20Gi", retention="Delete"))


def do_without_stores(world: World) -> None:
    change(world, redis=None, postgres=None)


def lose_a_store(world: World) -> None:
    """Somebody deletes the StatefulSet, and what configures it."""
    for kind, name in ((kinds.STATEFUL_SET, "postgres"), (kinds.CONFIG_MAP, "redis")):
        if (kind.kind, f"{NAME}-{name}") in world.children():
            world.kube.remove(kind, NAMESPACE, f"{NAME}-{name}")


def scale(world: World) -> None:
    change(world, scorer={"replicas": 5}, autoscaling=None)


def reshape(world: World) -> None:
    """Other pods: every one of them is replaced."""
    environment = [{"name": "LOG_LEVEL", "value": "debug"}]
    change(world, scorer={"replicas": 3, "extraEnv": environment}, autoscaling=None)


def autoscale(world: World) -> None:
    change(world, scorer={}, autoscaling={"minReplicas": 3, "maxReplicas": 6})


def stop_autoscaling(world: World) -> None:
    change(world, scorer={"replicas": 4}, autoscaling=None)


def release(world: World) -> None:
    world.publish(version("v2", day=2), version("v1"))


def release_damaged(world: World) -> None:
    world.refused["v3"] = "DigestMismatch"
    world.publish(version("v3", day=3), version("v2", day=2), version("v1"))


def withdraw(world: World) -> None:
    world.publish(version("v1"))


def release_unfit(world: World) -> None:
    """Verification finds nothing wrong, and every pod does."""
    for pod in world.pods.values():
        pod.refused["v4"] = "GoldenMismatch"
    world.publish(version("v4", day=4), version("v2", day=2), version("v1"))


def silence_a_pod(world: World) -> None:
    for name in sorted(world.pods)[:1]:
        world.pods[name].hangs = True


def let_pods_speak(world: World) -> None:
    for pod in world.pods.values():
        pod.hangs = False
    world.queue.add(KEY)


def refuse_elsewhere(world: World) -> None:
    """Another detector that shares the store found the second version bad."""
    manifest = version("v2", day=2).manifest
    assert manifest is not None
    world.ledger["v2"] = Entry(
        digest=manifest.digest,
        version="v2",
        reason="GoldenMismatch",
        message="it computes something else",
        since="2026-01-01T00:00:00Z",
    )
    world.queue.add(KEY)


def go_back(world: World) -> None:
    """A person asks for what served before."""

    def ask(obj: dict[str, Any]) -> None:
        before = (obj["metadata"].get("annotations") or {}).get("fraudops.io/request", "")
        text = json.dumps({"id": f"{len(before)}", "action": "rollback", "by": "somebody"})
        obj["metadata"].setdefault("annotations", {})["fraudops.io/request"] = text

    if exists(world):
        world.edit(kinds.FRAUD_DETECTOR, NAME, ask, "kubectl-fraud")


def lose_the_plan(world: World) -> None:
    """Somebody deletes the operator's own memory."""
    if ("ConfigMap", f"{NAME}-model-plan") in world.children():
        world.kube.remove(kinds.CONFIG_MAP, NAMESPACE, f"{NAME}-model-plan")


def scale_by_hand(world: World) -> None:
    def edit(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 9

    if ("Deployment", SCORER) in world.children():
        world.edit(kinds.DEPLOYMENT, SCORER, edit, "kubectl")


def lose_a_child(world: World) -> None:
    if ("Service", SCORER) in world.children():
        world.kube.remove(kinds.SERVICE, NAMESPACE, SCORER)


def tamper(world: World) -> None:
    scale_by_hand(world)
    lose_a_child(world)


def misspell(world: World) -> None:
    """What an API server without CEL would let pass."""
    change(world, scorer={"replicas": "many"}, autoscaling=None)


def name_a_missing_secret(world: World) -> None:
    change(world, model=_model(credentialsSecret="model-store"))


def make_the_secret(world: World) -> None:
    world.kube.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "model-store", "namespace": NAMESPACE},
            "data": {"accessKeyID": "YQ==", "secretAccessKey": "Yg=="},
        }
    )


def suspend(world: World) -> None:
    change(world, suspend=True)


def resume(world: World) -> None:
    change(world, suspend=None)


def delete(world: World) -> None:
    if exists(world):
        world.kube.remove(kinds.FRAUD_DETECTOR, NAMESPACE, NAME)


def recreate(world: World) -> None:
    """Before the garbage collector came."""
    delete(world)
    create(world)


STEPS: Sequence[Step] = (
    create, create_autoscaled, create_with_stores, grow_the_volume, keep_nothing,
    do_without_stores, lose_a_store, scale, reshape, autoscale, stop_autoscaling, release,
    release_damaged, release_unfit, silence_a_pod, let_pods_speak, go_back, lose_the_plan,
    refuse_elsewhere,
    withdraw, scale_by_hand, lose_a_child, misspell, name_a_missing_secret,
    make_the_secret, suspend, resume, delete, recreate,
)  # fmt: skip

LIVES: dict[str, tuple[Step, ...]] = {
    "models": (create, release, release_damaged, delete),
    "withdrawals": (
        create,
        release,
        silence_a_pod,
        refuse_elsewhere,
        let_pods_speak,
        release_unfit,
        delete,
    ),
    "people": (create, release, go_back, release_unfit, go_back, delete),
    "memory": (create, release, lose_the_plan, release_damaged, delete),
    "scaling": (create, scale, autoscale, stop_autoscaling, delete),
    "autoscaled": (create_autoscaled, scale_by_hand, lose_a_child, stop_autoscaling, delete),
    "repairs": (create, scale, tamper, recreate, delete),
    "mistakes": (create, name_a_missing_secret, make_the_secret, misspell, reshape, delete),
    "stores": (create_with_stores, grow_the_volume, lose_a_store, keep_nothing),
    "leave": (create, suspend, tamper, resume, delete, create),
}


def exists(world: World) -> bool:
    """Whether there is a detector."""
    return ("FraudDetector", NAMESPACE, NAME) in world.kube.objects


def change(world: World, **spec: Any) -> None:
    """Edit the detector, where there is one."""
    if exists(world):
        world.change(**spec)


def _postgres(**managed: str) -> dict[str, Any]:
    return {"managed": {"storage": "10Gi", **managed}}


def _model(**source: str) -> dict[str, Any]:
    s3 = detector()["spec"]["model"]["source"]["s3"]
    return {"source": {"s3": {**s3, **source}}}


TROUBLES: dict[str, tuple[bool, Callable[[], BaseException]]] = {
    "crash-before": (False, Crash),
    "crash-after": (True, Crash),
    "silence-after": (True, lambda: refusal(0, "Unreachable")),
    "409": (False, lambda: refusal(409, "Conflict")),
    "429": (False, lambda: refusal(429, "TooManyRequests")),
    "500": (False, lambda: refusal(500, "InternalError")),
}
"""Whether it strikes after the write took effect, and with what."""


@dataclass
class Disturbance:
    """A trouble that strikes once, at the write with the number `at` (from 1)."""

    at: int
    trouble: str
    happened: bool = False


class Disturbances:
    """Counts the writes of a world, and strikes where it is due."""

    def __init__(self, world: World, due: Iterable[Disturbance]) -> None:
        self._due = list(due)
        self._seen = 0
        world.kube.before, world.kube.after = self._before, self._after

    def _before(self, write: Write) -> None:
        self._seen += 1
        self._strike(after=False)

    def _after(self, write: Write) -> None:
        self._strike(after=True)

    def _strike(self, *, after: bool) -> None:
        for one in self._due:
            strikes_after, error = TROUBLES[one.trouble]
            if one.at == self._seen and strikes_after == after and not one.happened:
                one.happened = True
                raise error()


async def live(
    steps: Iterable[Step], *disturbances: Disturbance
) -> tuple[list[dict[Id, Any]], World]:
    """A life, with a new operator process after each crash: the states after each step, and the
    world as it is at the end."""
    world = World(horizon=_HORIZON_SECONDS)
    Disturbances(world, disturbances)
    states = []
    for step in steps:
        step(world)
        await rest(world)
        world.now += _PAUSE_SECONDS
        await rest(world)
        states.append(_state(world))
    return states, world


def _state(world: World) -> dict[Id, Any]:
    """Of everything. What a pod confirmed before it fell silent, the process knows that heard it,
    and the next one cannot ask."""
    state = world.kube.state()
    detector = state.get((kinds.FRAUD_DETECTOR.kind, NAMESPACE, NAME))
    if detector and any(pod.hangs for pod in world.pods.values()):
        _, status, _ = detector
        status.get("model", {}).get("pods", {}).pop("confirmed", None)
    return state


async def rest(world: World) -> None:
    """Until nothing moves any more, whatever it takes."""
    while True:
        try:
            return await world.settle()
        except Crash:
            world.start()
