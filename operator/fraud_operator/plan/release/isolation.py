"""Pods that may still answer with what was withdrawn lose the Service's label until they confirm.

A withdrawal is outstanding from the plan that withdraws something until every pod has confirmed
that plan, or is isolated. Only while one is outstanding is anybody isolated, so an operator that
has just started, and has heard of no pod yet, takes none out of the Service without a reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from fraud_operator.plan.release.draft import Draft
from fraud_operator.plan.release.pods import SILENT_SECONDS
from fraud_operator.plan.release.record import Isolated
from fraud_operator.plan.release.verifications import moment
from fraud_operator.plan.types import PodState
from fraud_scorer.artifact.plan import ModelPlan

CONFIRM_SECONDS = SILENT_SECONDS
"""For how long a pod may leave a withdrawal unconfirmed."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """Names of pods to be taken out of the Service, and to be put back."""

    isolate: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    look_after: float | None = None


def isolation(draft: Draft, plan: ModelPlan | None) -> Isolation:
    """Who is to be taken out and put back now, by the plan that pods are to follow; the record is
    brought up to date."""
    record, pods = draft.record, draft.pods.states
    there = {one.uid for one in pods}
    apart = {one.uid: one for one in record.isolated if one.uid in there}
    serial = plan.serial if plan is not None else 0
    look_after: float | None = None

    if record.withdrawn_serial:
        if moment(record.withdrawn_at) > draft.now:
            # Written by a clock that was ahead: pods get their second, and not the difference too.
            record = structs.replace(record, withdrawn_at=draft.at)
        elapsed = (draft.now - moment(record.withdrawn_at)).total_seconds()
        silent = [
            one
            for one in pods
            if one.uid not in apart and not confirms(one, record.withdrawn_serial)
        ]
        for pod in sorted(silent, key=lambda one: one.name):
            patience = CONFIRM_SECONDS - (
                elapsed if pod.report is not None else min(elapsed, pod.unreached_seconds)
            )
            if patience > 0:
                look_after = min(look_after or patience, patience)
                continue
            apart[pod.uid] = Isolated(name=pod.name, uid=pod.uid)
            draft.tell(
                "Warning",
                "PodIsolated",
                f"Pod {pod.name} has not confirmed that it withdrew what was refused"
                f" ({pod.problem or 'it follows an older plan'}): it gets no transactions until it"
                " does.",
            )
        if all(one.uid in apart or confirms(one, record.withdrawn_serial) for one in pods):
            record = structs.replace(record, withdrawn_serial=0, withdrawn_at="")

    restore = []
    isolate = []
    for pod in pods:
        if pod.uid not in apart:
            continue
        if not confirms(pod, serial):
            isolate += [pod.name] if pod.serving else []
        elif pod.serving:
            del apart[pod.uid]
            draft.tell("Normal", "PodRestored", f"Pod {pod.name} gets transactions again.")
        else:
            restore.append(pod.name)
    draft.record = structs.replace(
        record, isolated=tuple(sorted(apart.values(), key=lambda one: (one.name, one.uid)))
    )
    return Isolation(tuple(isolate), tuple(restore), look_after)


def confirms(pod: PodState, serial: int) -> bool:
    """Whether every process of the pod follows that plan, or a later one."""
    return pod.report is not None and pod.report.serial >= serial
