"""A detector's production checklist, from its spec, its status and its children."""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector, InvalidSpec
from fraud_operator.cli.doctor import models
from fraud_operator.cli.doctor.check import Check, Denied, Finding, fail, ok, skip, warn
from fraud_operator.cli.doctor.facts import DetectorFacts
from fraud_operator.plan.effective import Effective, effective


def readable(facts: DetectorFacts) -> Finding:
    """This build knows every field of the spec."""
    try:
        FraudDetector.parse(facts.obj)
    except InvalidSpec as error:
        return fail(str(error), "correct the spec: kubectl edit frauddetector " + facts.key.name)
    return ok("every field is known and valid")


def ready(facts: DetectorFacts) -> Finding:
    """Ready, for the spec as it is now."""
    name = facts.key.name
    if facts.status.get("observedGeneration", -1) < facts.obj["metadata"].get("generation", 1):
        return fail(
            "the operator has not seen the latest change of the spec",
            "is the operator running, and does it look after this namespace?",
        )
    for type_ in ("Stalled", "Ready"):
        condition = facts.condition(type_)
        said = f"{condition.get('reason')}: {condition.get('message')}"
        if type_ == "Stalled" and condition.get("status") == "True":
            return fail(said, f"do what the message says; kubectl fraud status {name} shows all")
        if type_ == "Ready" and condition.get("status") == "True":
            return ok(str(condition["message"]))
        if type_ == "Ready" and facts.spec.get("suspend"):
            return warn("spec.suspend is true: nothing is repaired", "set it to false to go on")
        if type_ == "Ready":
            bad = fail if condition.get("status") == "False" else warn
            return bad(said, f"kubectl fraud status {name} shows what is missing")
    raise AssertionError("the last condition always says something")


def contended(facts: DetectorFacts) -> Finding:
    """Nobody else writes what the operator owns."""
    condition = facts.condition("Contended")
    if condition.get("status") == "True":
        return fail(str(condition["message"]), "let only one of the two set the field")
    return ok("nobody else changes what the operator owns")


def replicas(facts: DetectorFacts) -> Finding:
    """Two pods survive the loss of one."""
    sizes = _sizes(facts)
    if sizes is None:
        return _no_sizes()
    least = sizes.least_replicas
    field = "spec.autoscaling.minReplicas" if sizes.autoscaling else "spec.scorer.replicas"
    if least == 0:
        return fail("no pods are wanted: nothing answers", f"set {field} to 2 or more")
    if least < 2:
        return warn("one pod: while it is replaced, nothing answers", f"set {field} to 2 or more")
    return ok(f"at least {least} pods")


def disruption(facts: DetectorFacts) -> Finding:
    """A drain of nodes takes one pod after another, and can take one."""
    if finding := _unseen(facts, "PodDisruptionBudget"):
        return finding
    budget = facts.child("PodDisruptionBudget")
    if budget is None:
        return fail("there is no PodDisruptionBudget", "see Ready: the operator makes one")
    status = budget.get("status") or {}
    expected, healthy = status.get("expectedPods", 0), status.get("currentHealthy", 0)
    if expected and not status.get("disruptionsAllowed", 0):
        return warn(
            f"no pod may be taken now ({healthy} of {expected} healthy): drains of nodes wait",
            "wait until all pods are ready, or raise spec.scorer.maxUnavailable",
        )
    return ok(f"{budget['spec'].get('maxUnavailable')} of the pods may be missing at once")


def spread(facts: DetectorFacts) -> Finding:
    """Pods on two nodes or more, in two zones where there are two."""
    if finding := _unseen(facts, "Pod"):
        return finding
    nodes = {pod["spec"]["nodeName"] for pod in facts.pods if pod["spec"].get("nodeName")}
    if not nodes:
        return skip("no pod is on a node yet", "see Ready")
    if len(nodes) < 2:
        return warn(
            f"all pods are on node {next(iter(nodes))}",
            "add nodes, or let pods onto them (spec.scorer.tolerations, nodeSelector)",
        )
    if facts.zones is None or isinstance(facts.zones, Denied):
        return ok(f"{len(nodes)} nodes (you may not read their zones)")
    there = {zone for zone in facts.zones.values() if zone}
    used = {facts.zones.get(node, "") for node in nodes} - {""}
    if len(there) > 1 and len(used) < 2:
        return warn(
            f"{len(nodes)} nodes, all in one of {len(there)} zones",
            "set whenUnsatisfiable: DoNotSchedule for topology.kubernetes.io/zone in"
            " spec.scorer.topologySpread",
        )
    return ok(f"{len(nodes)} nodes" + (f" in {len(used)} zones" if len(used) > 1 else ""))


def resources(facts: DetectorFacts) -> Finding:
    """Sized on purpose."""
    spec = facts.spec
    if (spec.get("capacity") or {}).get("transactionsPerDay"):
        return ok(f"sized for {spec['capacity']['transactionsPerDay']} transactions a day")
    given = ((spec.get("scorer") or {}).get("resources") or {}).get("requests") or {}
    if given.get("cpu") and given.get("memory"):
        return ok(f"CPU {given['cpu']} and memory {given['memory']} a pod")
    return warn(
        "nobody said how much traffic there is: sized for the first row of the capacity table",
        "set spec.capacity.transactionsPerDay, or spec.scorer.resources.requests",
    )


def image(facts: DetectorFacts) -> Finding:
    """The same bytes on every node, whoever pushes to the tag."""
    name = ((facts.status.get("effective") or {}).get("scorer") or {}).get("image", "")
    if not name:
        return skip("no image was chosen yet", "see Ready")
    if "@sha256:" in name:
        return ok(name)
    return warn(
        f"{name} is a tag, which can come to mean something else",
        "set spec.scorer.image to name@sha256:…",
    )


def autoscaler(facts: DetectorFacts) -> Finding:
    """The autoscaler gets figures, and has room."""
    if facts.spec.get("autoscaling") is None:
        return skip(
            "the number of pods is fixed", "set spec.autoscaling ({} will do) to follow the load"
        )
    if finding := _unseen(facts, "HorizontalPodAutoscaler"):
        return finding
    found = facts.child("HorizontalPodAutoscaler")
    if found is None:
        return fail("there is no HorizontalPodAutoscaler", "see Ready: the operator makes one")
    status = found.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    look = f"kubectl -n {facts.key.namespace} describe hpa {found['metadata']['name']}"
    for type_ in ("AbleToScale", "ScalingActive"):
        if conditions.get(type_, {}).get("status") != "True":
            why = conditions.get(type_, {}).get("message", "it has not said anything yet")
            return fail(f"{type_}: {why}", f"see metrics-server above; {look}")
    wanted, most = status.get("desiredReplicas", 0), found["spec"]["maxReplicas"]
    if wanted >= most:
        return warn(
            f"it wants {wanted} pods, and may have no more",
            "raise spec.autoscaling.maxReplicas, or spec.capacity.transactionsPerDay",
        )
    return ok(f"{found['spec'].get('minReplicas', 1)} to {most} pods, {wanted} now")


def upgrade(facts: DetectorFacts) -> Finding:
    """Pods are as this operator makes them."""
    condition = facts.condition("UpgradeAvailable")
    if condition.get("status") == "True":
        return warn(str(condition["message"]), "take it when it suits: pods go one by one")
    return ok("pods are as the operator makes them")


def _sizes(facts: DetectorFacts) -> Effective | None:
    try:
        return effective(FraudDetector.parse(facts.obj).spec)
    except InvalidSpec:
        return None


def _no_sizes() -> Finding:
    return skip("the spec cannot be read", "see Spec")


def _unseen(facts: DetectorFacts, kind: str) -> Finding | None:
    if kind not in facts.unseen:
        return None
    return skip(
        f"you may not read {kind}: {facts.unseen[kind]}",
        "ask for the ClusterRole view in the namespace",
    )


CHECKS = (
    Check("detector.spec", "Spec", readable),
    Check("detector.ready", "Ready", ready),
    Check("detector.contended", "Contended", contended),
    Check("detector.replicas", "Replicas", replicas),
    Check("detector.disruption", "Disruption budget", disruption),
    Check("detector.spread", "Spread", spread),
    Check("detector.resources", "Resources", resources),
    Check("detector.image", "Image", image),
    *models.CHECKS,
    Check("detector.autoscaler", "Autoscaler", autoscaler),
    Check("detector.upgrade", "Upgrade", upgrade),
)
