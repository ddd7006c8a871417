"""The whole of a detector's status, from what was decided and what is there."""

from __future__ import annotations

from typing import Any

from fraud_operator.plan import conditions, findings, model_findings, rollout_findings
from fraud_operator.plan.backup_status import backed_up, backup_status
from fraud_operator.plan.children import endpoint, selector_text
from fraud_operator.plan.conditions import Finding, Flip
from fraud_operator.plan.deployment import starting_replicas
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.image import Image
from fraud_operator.plan.model_status import model_status
from fraud_operator.plan.pod_template import PodTemplate
from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.rollout import rollout
from fraud_operator.plan.stores.findings import store_findings
from fraud_operator.plan.stores.planned import PlannedStores
from fraud_operator.plan.stores.shown import (
    effective_decisions,
    effective_stores,
    stores_status,
)
from fraud_operator.plan.types import Inputs, Manifested


def status(
    inputs: Inputs,
    effective: Effective,
    image: Image,
    template: PodTemplate,
    model: Decision,
    deployment: Manifested | None,
    stores: PlannedStores,
    *,
    applied: bool,
) -> tuple[dict[str, Any], list[Flip]]:
    """The status, and which conditions flipped. `applied`: the Deployment is what it is to be."""
    detector = inputs.detector
    before = list(detector.status.get("conditions", ()))
    was = conditions.previous(before)
    verified = model_findings.model_verified(inputs, effective, model, was.get("ModelVerified"))
    of_stores = store_findings(
        stores.stores, stores.schema, inputs, effective.transactions_per_day, was
    )
    situation = findings.Situation(
        inputs=inputs,
        effective=effective,
        image=image,
        model=model,
        rollout=rollout(deployment),
        applied=applied,
        reached=conditions.holds(before, "Ready", detector.generation),
        template_outdated=template.outdated,
        verified=verified,
        stores=of_stores,
        stores_refused=stores.stores.problem,
    )
    stalled = findings.stalled(situation)
    reconciling = findings.reconciling(situation, stalled)
    found: dict[str, Finding] = {
        "Ready": findings.ready(situation, stalled, reconciling),
        "Reconciling": reconciling,
        "Stalled": stalled,
        "ModelVerified": verified,
        "ModelStoreReachable": model_findings.store_reachable(
            inputs, effective, model, was.get("ModelStoreReachable")
        ),
        "RolloutHealthy": rollout_findings.rollout_healthy(model, effective),
        "ScorerAvailable": findings.scorer_available(situation),
        "UpgradeAvailable": findings.upgrade_available(situation),
    }
    found |= of_stores.found
    if backup := backed_up(inputs):
        found["ModelBackedUp"] = backup
    if contended := findings.contended(situation):
        found["Contended"] = contended
    settled, flips = conditions.settle(before, found, detector.generation, inputs.now)
    active = model.plan.active if model.plan is not None else None
    thresholds = active.thresholds if active is not None else None
    shown = effective.shown(image.name, thresholds)
    shown["scoring"] |= effective_decisions(stores.stores)
    there = stores_status(stores.stores, stores.schema, inputs)
    return {
        "observedGeneration": detector.generation,
        "conditions": settled,
        "effective": {**shown, **effective_stores(stores.stores)},
        "model": model_status(inputs, effective, model),
        **({"modelBackup": backup_status(inputs)} if backup else {}),
        "scorer": _scorer(inputs, effective, image, deployment),
        **({"stores": there} if there else {}),
    }, flips


def _scorer(
    inputs: Inputs, effective: Effective, image: Image, deployment: Manifested | None
) -> dict[str, Any]:
    progress = rollout(deployment)
    replicas = effective.replicas
    if replicas is None:
        replicas = progress.wanted if progress else starting_replicas(effective, None)
    shown: dict[str, Any] = {
        "replicas": replicas or 0,
        "readyReplicas": progress.ready if progress else 0,
        "selector": selector_text(inputs.detector),
        "endpoint": endpoint(inputs.detector),
    }
    if image.pinned:
        shown["pinnedImage"] = image.pinned
    return shown
