"""What each child of a detector says about itself, in one line: one function a kind.

A kind without a function is there or not, and that is all that is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact.plan import PlanError

Object = Mapping[str, Any]

# As plan/ has them, whose modules take longer to load than this command to run.
_NAME, _SCORER, _SCHEMA = "app.kubernetes.io/name", "fraud-scorer", "fraud-schema"
_SERVING = "fraudops.io/serving"
_PLAN, _PLAN_NAME = "plan.json", "-model-plan"
_VERSION, _ATTEMPT = "fraudops.io/version", "fraudops.io/attempt"
_OWNERS = ("Job", "StatefulSet")
_ORDER = (
    "Deployment",
    "StatefulSet",
    "PersistentVolumeClaim",
    "Job",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "Service",
    "ConfigMap",
    "ServiceAccount",
)


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a detector. `ready` is None where there is nothing to be ready for."""

    kind: str
    name: str
    ready: bool | None
    message: str
    pods: tuple[Part, ...] = ()


def parts(children: Mapping[tuple[str, str], Object], pods: Iterable[Object]) -> list[Part]:
    """Every child, the most telling first; pods are with their Deployment, StatefulSet or Job, and
    those of a Job that is done tell nothing. What served before is history, and has a command of
    its own."""
    scorers: list[Part] = []
    of_others: dict[tuple[str, str], list[Part]] = {}
    for one in pods:
        if (owner := _owner_of(one)) is not None:
            of_others.setdefault(owner, []).append(pod(one))
        else:
            scorers.append(pod(one))
    of_deployment = tuple(scorers)
    found = []
    for (kind, name), obj in sorted(children.items(), key=_rank):
        if kind == "ControllerRevision":
            continue
        if obj["metadata"].get("deletionTimestamp"):
            found.append(Part(kind, name, False, "is being deleted"))
            continue
        ready, message = _SAYS.get(kind, _nothing)(obj)
        hangs_on: tuple[Part, ...] = of_deployment if kind == "Deployment" else ()
        if kind in _OWNERS and not _is_done(obj):
            hangs_on = tuple(of_others.get((kind, name), ()))
        found.append(Part(kind, name, ready, message, hangs_on))
    if of_deployment and not any(part.pods for part in found):
        found += of_deployment
    return found


def pod(obj: Object) -> Part:
    """A pod; what hinders it, where something does."""
    from fraud_operator.plan.trouble import trouble

    meta, status = obj["metadata"], obj.get("status") or {}
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    ready = conditions.get("Ready") == "True"
    restarts = sum(one.get("restartCount", 0) for one in status.get("containerStatuses") or ())
    said = [
        "is being deleted"
        if meta.get("deletionTimestamp")
        else "ready"
        if ready
        else trouble([obj]).partition(": ")[2] or status.get("phase", "").lower() or "unknown",
    ]
    if node := (obj.get("spec") or {}).get("nodeName"):
        said.append(f"on {node}")
    labels = meta.get("labels") or {}
    if labels.get(_NAME) == _SCORER and labels.get(_SERVING) != "true":
        said.append("out of the Service")
    if restarts:
        said.append(f"{restarts} restart{'' if restarts == 1 else 's'}")
    return Part("Pod", meta["name"], ready, ", ".join(said))


def _rank(item: tuple[tuple[str, str], Object]) -> tuple[int, str, str]:
    kind, name = item[0]
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), kind, name)


def _deployment(obj: Object) -> tuple[bool | None, str]:
    status, wanted = obj.get("status") or {}, obj["spec"].get("replicas", 1)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    current = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 1)
    old = status.get("replicas", 0) - updated
    said = [f"{ready}/{wanted} ready", f"{updated}/{wanted} up to date"]
    if old > 0:
        said.append(f"{old} of before still there")
    if not current:
        said.append("not yet seen by the Deployment controller")
    return current and ready >= wanted and updated >= wanted and old <= 0, ", ".join(said)


def _autoscaler(obj: Object) -> tuple[bool | None, str]:
    spec, status = obj["spec"], obj.get("status") or {}
    bounds = f"{spec.get('minReplicas', 1)}..{spec['maxReplicas']}"
    said = [f"{bounds} pods, wants {status.get('desiredReplicas', 0)}"]
    current = {
        one["resource"]["name"]: one["resource"]["current"].get("averageUtilization")
        for one in status.get("currentMetrics") or ()
        if one.get("type") == "Resource"
    }
    for metric in spec.get("metrics") or ():
        if metric.get("type") == "Resource":
            name = metric["resource"]["name"]
            used, target = current.get(name), metric["resource"]["target"]["averageUtilization"]
            said.append(f"{name} {'unknown' if used is None else f'{used}%'} of {target}%")
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    for type_ in ("AbleToScale", "ScalingActive"):
        if conditions.get(type_, {}).get("status") == "False":
            return False, f"{'; '.join(said)}. {conditions[type_].get('message', type_)}"
    return conditions.get("ScalingActive", {}).get("status") == "True", ", ".join(said)


def _disruption_budget(obj: Object) -> tuple[bool | None, str]:
    status, spec = obj.get("status") or {}, obj["spec"]
    limit = spec.get("maxUnavailable", spec.get("minAvailable"))
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    allowed = status.get("disruptionsAllowed", 0)
    said = f"{limit} may be missing, a drain may take {allowed} now ({healthy} healthy)"
    return healthy >= wanted, said


def _service(obj: Object) -> tuple[bool | None, str]:
    ports = ", ".join(str(port["port"]) for port in obj["spec"].get("ports") or ())
    return None, f"{obj['spec'].get('clusterIP', 'no address')} port {ports}"


def _config_map(obj: Object) -> tuple[bool | None, str]:
    if not obj["metadata"]["name"].endswith(_PLAN_NAME):
        return None, ""
    try:
        plan = model_plans.decode((obj.get("data") or {}).get(_PLAN, ""))
    except PlanError:
        return None, "no plan yet"
    return None, f"plan {plan.serial}"


def _stateful_set(obj: Object) -> tuple[bool | None, str]:
    status, wanted = obj.get("status") or {}, obj["spec"].get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    current = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 1)
    return current and ready >= wanted, f"{ready}/{wanted} ready"


def _claim(obj: Object) -> tuple[bool | None, str]:
    status = obj.get("status") or {}
    wanted = obj["spec"]["resources"]["requests"]["storage"]
    has = (status.get("capacity") or {}).get("storage", "no volume yet")
    said = has if has == wanted else f"{has}, is to have {wanted}"
    return status.get("phase") == "Bound", said


def _job(obj: Object) -> tuple[bool | None, str]:
    said = obj["metadata"].get("annotations") or {}
    text = f"verifies version {said.get(_VERSION, '?')}"
    if (obj["metadata"].get("labels") or {}).get(_NAME) == _SCHEMA:
        text = "brings the schema up to date"
    if (attempt := said.get(_ATTEMPT, "1")) != "1":
        text += f", attempt {attempt}"
    if failed := _true_conditions(obj).get("Failed"):
        return False, f"{text}: {failed.get('reason', 'failed')}"
    return None, f"{text}: {'done' if _is_done(obj) else 'under way'}"


def _is_done(obj: Object) -> bool:
    """Whether it is a Job that has ended well."""
    return "Complete" in _true_conditions(obj)


def _true_conditions(obj: Object) -> Mapping[str, Object]:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return {one["type"]: one for one in conditions if one["status"] == "True"}


def _owner_of(pod: Object) -> tuple[str, str] | None:
    """The Job or StatefulSet that a pod belongs to."""
    owners = pod["metadata"].get("ownerReferences") or ()
    found = ((one["kind"], one["name"]) for one in owners if one["kind"] in _OWNERS)
    return next(found, None)


def _nothing(_: Object) -> tuple[bool | None, str]:
    return None, ""


_SAYS: Mapping[str, Callable[[Object], tuple[bool | None, str]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "PersistentVolumeClaim": _claim,
    "Job": _job,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _disruption_budget,
    "Service": _service,
    "ConfigMap": _config_map,
}
