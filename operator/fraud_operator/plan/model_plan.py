"""The ConfigMap that tells scorer pods what to serve: one model plan a revision.

Pods name the revision they were made for, so an older pod that restarts reads its own plan. It is
also the operator's memory of how to serve a version that the store does not list at the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import metadata, model_plan_name
from fraud_operator.plan.types import ChildKey, Manifested
from fraud_scorer.artifact import plan as model_plans
from fraud_scorer.artifact.plan import ModelPlan, PlanError

_SUFFIX = ".json"


def model_plan(detector: FraudDetector, plans: Iterable[ModelPlan]) -> Manifested:
    """One key a revision."""
    by_revision = {plan.revision: plan for plan in plans}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(detector, model_plan_name(detector)),
        "data": {
            f"{revision}{_SUFFIX}": model_plans.encode(by_revision[revision])
            for revision in sorted(by_revision)
        },
    }


def recorded_plans(
    detector: FraudDetector, children: Mapping[ChildKey, Manifested]
) -> dict[str, ModelPlan]:
    """The plans that the ConfigMap holds, by revision; one that was edited by hand is left out."""
    config_map = children.get(("ConfigMap", model_plan_name(detector)), {})
    plans: dict[str, ModelPlan] = {}
    for key, text in (config_map.get("data") or {}).items():
        try:
            plan = model_plans.decode(text)
        except PlanError:
            continue
        if key == f"{plan.revision}{_SUFFIX}":
            plans[plan.revision] = plan
    return plans
