"""The plan of one FraudDetector: a table of contents of what is made and decided, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from fraud_operator.api.frauddetector import InvalidSpec
from fraud_operator.plan import aside
from fraud_operator.plan.children import model_plan_name, scorer_name
from fraud_operator.plan.deployment import deployment, starting_replicas
from fraud_operator.plan.effective import Effective, effective
from fraud_operator.plan.events import events
from fraud_operator.plan.hpa import horizontal_pod_autoscaler
from fraud_operator.plan.image import Image, scorer_image
from fraud_operator.plan.model import ModelDecision, decide
from fraud_operator.plan.model_plan import model_plan
from fraud_operator.plan.pdb import pod_disruption_budget
from fraud_operator.plan.pod_template import (
    TEMPLATE_ANNOTATION,
    PodTemplate,
    deployed_revision,
    pod_template,
)
from fraud_operator.plan.service import service
from fraud_operator.plan.service_account import service_account
from fraud_operator.plan.status import status
from fraud_operator.plan.types import ChildKey, Desired, Inputs, Manifested, Plan


def plan(inputs: Inputs) -> Plan:
    """What is to be there, and what is to be said of it. Pure: equal inputs give equal plans."""
    detector = inputs.detector
    if detector.spec.suspend:
        return aside.suspended(inputs)

    sizes = effective(detector.spec)
    model = decide(inputs, sizes)
    observed = inputs.observed.children.get(("Deployment", scorer_name(detector)))
    image = scorer_image(detector, observed, inputs.defaults)
    held = bool(inputs.observed.problems)
    template = pod_template(detector, sizes, image.name, inputs.defaults, observed, hold=held)
    without_pods = model.target is None or (held and observed is None)

    objects = tuple(
        _desired(inputs, sizes, model, image, template, observed, without_pods=without_pods)
    )
    if observed is None and _is_too_early(inputs):
        return Plan(objects=objects, status=dict(detector.status), keep=_kept(inputs, model))
    new_status, flips = status(
        inputs,
        sizes,
        image,
        template,
        model,
        observed,
        applied=_is_applied(model, sizes, template, observed),
    )
    return Plan(
        objects=objects,
        status=new_status,
        events=tuple(events(flips, model)),
        keep=_kept(inputs, model),
        status_first=bool(model.quarantine.new),
    )


def _is_too_early(inputs: Inputs) -> bool:
    """Without pods, a new detector's first words wait for the first look at the store, moments from
    now: until then the CRD's default says that nothing has been observed."""
    looked = inputs.store.listed or inputs.store.reason or inputs.observed.problems
    return not looked and not inputs.results and not inputs.detector.status.get("conditions")


def plan_invalid(obj: Mapping[str, Any], error: InvalidSpec, now: datetime) -> Plan:
    """What is to be said of an object that `FraudDetector.parse` refused. Nothing is to be done."""
    return aside.unreadable(obj, error, now)


def _desired(
    inputs: Inputs,
    sizes: Effective,
    model: ModelDecision,
    image: Image,
    template: PodTemplate,
    observed: Manifested | None,
    *,
    without_pods: bool,
) -> Iterator[Desired]:
    """Every child. Pods come after what they refer to, an autoscaler after what it scales."""
    detector = inputs.detector
    yield Desired(service_account(detector), component="scorer", phase=0)
    yield Desired(service(detector), component="service", phase=0)
    yield Desired(pod_disruption_budget(detector, sizes), component="disruption", phase=0)
    if model.plans:
        yield Desired(model_plan(detector, model.plans), component="scorer", phase=0)
    if without_pods or model.target is None:
        return
    yield Desired(
        deployment(detector, sizes, image, template, model.target.revision),
        component="scorer",
        phase=1,
        hold_replicas=starting_replicas(sizes, observed),
    )
    if sizes.autoscaling is not None:
        yield Desired(
            horizontal_pod_autoscaler(detector, sizes.autoscaling), component="autoscaler", phase=2
        )


def _is_applied(
    model: ModelDecision, sizes: Effective, template: PodTemplate, observed: Manifested | None
) -> bool:
    """Whether the Deployment that is there is the one that is to be there."""
    if observed is None or model.target is None:
        return False
    annotations = observed["metadata"].get("annotations", {})
    return (
        deployed_revision(observed) == model.target.revision
        and annotations.get(TEMPLATE_ANNOTATION) == template.recorded
        and sizes.replicas in (None, observed["spec"].get("replicas"))
    )


def _kept(inputs: Inputs, model: ModelDecision) -> frozenset[ChildKey]:
    """Without a target nothing new is known of what pods serve: they, and their plan, stay."""
    if model.target is not None or model.abandoned:
        return frozenset()
    name = scorer_name(inputs.detector)
    kept = {("Deployment", name), ("HorizontalPodAutoscaler", name)}
    if not model.plans:
        kept.add(("ConfigMap", model_plan_name(inputs.detector)))
    return frozenset(kept)
