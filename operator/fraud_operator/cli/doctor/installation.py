"""The installation: CRDs of this build, an operator that runs, and one that leads."""

from __future__ import annotations

from datetime import datetime

from fraud_operator.cli import crds
from fraud_operator.cli.doctor.check import Check, Denied, Finding, denied, fail, ok, warn
from fraud_operator.cli.doctor.facts import ClusterFacts

_DEFAULT_SECONDS = 15


def definitions(facts: ClusterFacts) -> Finding:
    """The CRDs are there, served, and of this build."""
    todo = "kubectl apply --server-side --force-conflicts -f crds/ of the operator's release"
    for name, found in facts.crds.items():
        if isinstance(found, Denied):
            if name.partition(".")[2] in facts.groups:
                return denied(f"CRD {name} (it is served)", found)
            return fail(f"CRD {name} is not installed", todo)
        if found is None:
            return fail(f"CRD {name} is not installed", todo)
        conditions = {one["type"]: one for one in found.get("status", {}).get("conditions") or ()}
        for type_, wanted in (("Established", "True"), ("NamesAccepted", "True")):
            if conditions.get(type_, {}).get("status") != wanted:
                why = conditions.get(type_, {}).get("message", "")
                return fail(f"CRD {name} is not {type_}: {why}", "kubectl describe crd " + name)
        compared = crds.compare(found)
        if not compared.same:
            return warn(
                f"CRD {name} is of another build than this kubectl-fraud: {compared}",
                f"use the kubectl-fraud of the operator's release, or {todo}",
            )
    return ok(f"{', '.join(facts.crds)} as in this build")


def deployment(facts: ClusterFacts) -> Finding:
    """The operator's pods."""
    found, where = facts.operator, facts.operator_namespace
    if isinstance(found, Denied):
        return denied(f"Deployment fraud-operator in {where}", found)
    if found is None:
        message = f"there is no Deployment fraud-operator in namespace {where}"
        if _leads(facts):
            return warn(
                f"{message}; an operator runs elsewhere, for it holds the Lease",
                "install it in the cluster for production",
            )
        return fail(message, "install the operator, or say where it is with --operator-namespace")
    spec, status = found.deployment["spec"], found.deployment.get("status") or {}
    wanted, available = spec.get("replicas", 1), status.get("availableReplicas", 0)
    look = f"kubectl -n {where} describe deployment fraud-operator"
    if available == 0:
        return fail(f"0 of {wanted} pods are available", look)
    if available < wanted:
        return warn(f"{available} of {wanted} pods are available", look)
    if wanted < 2:
        return warn(
            "1 pod: while it is replaced, nobody looks after detectors",
            f"kubectl -n {where} scale deployment fraud-operator --replicas=2",
        )
    return ok(f"{available} of {wanted} pods are available")


def lease(facts: ClusterFacts) -> Finding:
    """Exactly one operator works."""
    found = facts.lease
    if isinstance(found, Denied):
        return denied("the operator's Lease", found)
    if found is None:
        return fail("there is no Lease: no operator has ever led here", "is one running?")
    holder = found["spec"].get("holderIdentity") or ""
    logs = f"kubectl -n {facts.operator_namespace} logs deployment/fraud-operator"
    if not holder:
        return fail("nobody holds the Lease: the operator was stopped", logs)
    if not _leads(facts):
        age = (facts.server_time - _time(found["spec"]["renewTime"])).total_seconds()
        return fail(f"{holder} has not renewed the Lease for {age:.0f} seconds", logs)
    return ok(f"{holder} leads")


def _leads(facts: ClusterFacts) -> bool:
    """Whether somebody does, by the API server's clock."""
    found = facts.lease
    if found is None or isinstance(found, Denied):
        return False
    spec = found["spec"]
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return False
    age = (facts.server_time - _time(spec["renewTime"])).total_seconds()
    return age <= float(spec.get("leaseDurationSeconds") or _DEFAULT_SECONDS)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


CHECKS = (
    Check("installation.crds", "CRDs", definitions),
    Check("installation.operator", "Operator", deployment),
    Check("installation.lease", "Leader", lease),
)
