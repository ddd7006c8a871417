"""The ConfigMap of the model plan: `plan.json`, which pods mount and follow, and beside it the
operator's own memory, `record.json`, so that both change in one write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import metadata, model_plan_name
from fraud_operator.plan.release import record as records
from fraud_operator.plan.release.record import Record
from fraud_operator.plan.types import ChildKey, Manifested
from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact.plan import ModelPlan, PlanError

PLAN_KEY = "plan.json"
RECORD_KEY = "record.json"


@dataclass(frozen=True, slots=True)
class Memory:
    """What the ConfigMap holds: each part is None where it is missing or was edited by hand."""

    plan: ModelPlan | None = None
    record: Record | None = None


def model_plan(detector: FraudDetector, plan: ModelPlan | None, record: Record) -> Manifested:
    """The ConfigMap."""
    data = {RECORD_KEY: records.encode(record)}
    if plan is not None:
        data[PLAN_KEY] = model_plans.encode(plan)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(detector, model_plan_name(detector)),
        "data": data,
    }


def memory(detector: FraudDetector, children: Mapping[ChildKey, Manifested]) -> Memory:
    """What was decided before."""
    config_map = children.get(("ConfigMap", model_plan_name(detector)), {})
    data = config_map.get("data") or {}
    return Memory(_plan(detector, data.get(PLAN_KEY)), _record(data.get(RECORD_KEY)))


def _plan(detector: FraudDetector, text: str | None) -> ModelPlan | None:
    try:
        plan = model_plans.decode(text or "")
    except PlanError:
        return None
    return plan if plan.detector == detector.name else None


def _record(text: str | None) -> Record | None:
    try:
        return records.decode(text or "")
    except ValueError:
        return None
