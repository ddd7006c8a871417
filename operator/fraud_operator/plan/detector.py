"""The plan of one FraudDetector: a table of contents of what is made and decided, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fraud_operator.api.frauddetector import InvalidSpec
from fraud_operator.plan import aside, model_volume
from fraud_operator.plan.backup import backups
from fraud_operator.plan.children import model_plan_name, scorer_name
from fraud_operator.plan.deployment import deployment, starting_replicas
from fraud_operator.plan.effective import Effective, effective
from fraud_operator.plan.events import events
from fraud_operator.plan.generated import Random
from fraud_operator.plan.hpa import horizontal_pod_autoscaler
from fraud_operator.plan.image import Image, scorer_image
from fraud_operator.plan.management_token import TOKEN_KEY, VOLUME_TOKEN_KEY, management_token
from fraud_operator.plan.model_plan import model_plan
from fraud_operator.plan.pdb import pod_disruption_budget
from fraud_operator.plan.pod_template import TEMPLATE_ANNOTATION, PodTemplate, pod_template
from fraud_operator.plan.release import history
from fraud_operator.plan.release.decide import decide
from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.release.record import Record
from fraud_operator.plan.release.verifications import is_heard
from fraud_operator.plan.service import service
from fraud_operator.plan.service_account import service_account
from fraud_operator.plan.siblings import siblings
from fraud_operator.plan.status import status
from fraud_operator.plan.stores.planned import PlannedStores, planned_stores
from fraud_operator.plan.types import ChildKey, Desired, Inputs, Manifested, Plan
from fraud_operator.plan.verification import Verifying, verification, verification_name


def plan(inputs: Inputs) -> Plan:
    """What is to be there, and what is to be said of it. Pure: equal inputs give equal plans."""
    detector = inputs.detector
    if detector.spec.suspend:
        return aside.suspended(inputs)

    inputs = _without_verdicts_on_the_unknown(inputs)
    sizes = effective(detector.spec)
    model = decide(inputs, sizes)
    observed = inputs.observed.children.get(("Deployment", scorer_name(detector)))
    image = scorer_image(detector, observed, inputs.defaults)
    stores = planned_stores(inputs, sizes, image.name, deployed=observed is not None)
    held = bool(inputs.observed.problems) or stores.holds_pods
    template = pod_template(
        detector, sizes, image.name, inputs.defaults, observed, stores=stores.part, hold=held
    )
    parts = _Parts(inputs, sizes, model, image, template, observed, stores)

    objects = tuple(parts.objects(without_pods=model.plan is None or (held and observed is None)))
    kept = frozenset(parts.kept())
    if observed is None and _is_too_early(inputs):
        return Plan(
            objects=objects,
            status=dict(detector.status),
            keep=kept,
            release=model,
            growth=stores.growth,
        )
    new_status, flips = status(
        inputs, sizes, image, template, model, observed, stores, applied=parts.is_applied()
    )
    return Plan(
        objects=objects,
        status=new_status,
        events=tuple(events(flips, model)),
        requeue_after=earliest(model.requeue_after, stores.requeue_after),
        keep=kept,
        release=model,
        growth=stores.growth,
    )


def plan_invalid(obj: Mapping[str, Any], error: InvalidSpec, now: datetime) -> Plan:
    """What is to be said of an object that `FraudDetector.parse` refused. Nothing is to be done."""
    return aside.unreadable(obj, error, now)


def _without_verdicts_on_the_unknown(inputs: Inputs) -> Inputs:
    """A verdict is heard together with what the store says of the version: its thresholds, and when
    it was published. An operator that was started anew waits for its first look."""
    published = {(one.version, one.source) for one in inputs.store.versions}
    heard = [one for one in inputs.observed.verifications if (one.version, one.source) in published]
    return replace(inputs, observed=replace(inputs.observed, verifications=heard))


def earliest(*delays: float | None) -> float | None:
    """The shortest of those that there are."""
    return min((delay for delay in delays if delay is not None), default=None)


def _is_too_early(inputs: Inputs) -> bool:
    """Without pods, a new detector's first words wait for the first look at the store, moments from
    now: until then the CRD's default says that nothing has been observed."""
    looked = (
        inputs.store.listed
        or inputs.store.reason
        or inputs.observed.problems
        or model_volume.trouble_of(inputs.detector, inputs.observed)
    )
    return not looked and not inputs.results and not inputs.detector.status.get("conditions")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What children are made from."""

    inputs: Inputs
    sizes: Effective
    model: Decision
    image: Image
    template: PodTemplate
    deployed: Manifested | None
    stores: PlannedStores

    def objects(self, *, without_pods: bool) -> Iterator[Desired]:
        """Every child. The model plan is first; pods come after what they refer to, an autoscaler
        after what it scales."""
        detector, sizes = self.inputs.detector, self.sizes
        if self._is_known():
            memory = model_plan(detector, self.model.plan, self.model.record)
            yield Desired(memory, component="scorer", phase=0, exact=True)
        yield Desired(service_account(detector), component="scorer", phase=0)
        yield Desired(
            management_token(detector),
            component="scorer",
            phase=0,
            once=True,
            generated={TOKEN_KEY: Random(), VOLUME_TOKEN_KEY: Random()},
        )
        yield from self._volumes()
        yield from self.stores.objects()
        yield Desired(service(detector), component="service", phase=0)
        yield Desired(siblings(detector), component="siblings", phase=0)
        yield Desired(pod_disruption_budget(detector, sizes), component="disruption", phase=0)
        if self.model.history is not None:
            became = history.manifest(detector, self.model.history)
            yield Desired(became, component="history", phase=0, once=True, recorded=True)
        yield from self._verification()
        for one in backups(detector, self.image.name, self.inputs.defaults):
            yield Desired(one, component="backup", phase=0)
        if without_pods:
            return
        yield Desired(
            deployment(detector, sizes, self.image, self.template),
            component="scorer",
            phase=1,
            hold_replicas=starting_replicas(sizes, self.deployed),
        )
        if sizes.autoscaling is not None:
            yield Desired(
                horizontal_pod_autoscaler(detector, sizes.autoscaling),
                component="autoscaler",
                phase=2,
            )

    def kept(self) -> Iterator[ChildKey]:
        """What stays as it is: what was active, the verification that is under way, those that have
        ended, which the cluster removes by itself (`ttlSecondsAfterFinished`), and, where nothing
        is known that could serve, the pods there are with what they follow."""
        detector = self.inputs.detector
        for name in self.model.kept_history:
            yield (history.KIND, name)
        if self.model.verify is not None:
            yield ("Job", verification_name(detector, self.model.verify))
        for one in self.inputs.observed.verifications:
            if one.ended and is_heard(self.model.record, one):
                yield ("Job", verification_name(detector, one))
        yield from self.stores.kept()
        if not self.inputs.store.listed or self.inputs.store.reason:
            # Which versions there are is not known now: what judges one of them goes on.
            yield from (child for child in self.inputs.observed.children if child[0] == "Job")
        if self.model.plan is None:
            yield ("Deployment", scorer_name(detector))
            yield ("HorizontalPodAutoscaler", scorer_name(detector))
        if not self._is_known():
            yield ("ConfigMap", model_plan_name(detector))

    def is_applied(self) -> bool:
        """Whether the Deployment that is there is the one that is to be there."""
        if self.deployed is None or self.model.plan is None:
            return False
        annotations = self.deployed["metadata"].get("annotations", {})
        same = annotations.get(TEMPLATE_ANNOTATION) == self.template.recorded
        return same and self.sizes.replicas in (None, self.deployed["spec"].get("replicas"))

    def _is_known(self) -> bool:
        """Whether there is anything to be remembered: not before a version was judged."""
        there = (
            "ConfigMap",
            model_plan_name(self.inputs.detector),
        ) in self.inputs.observed.children
        return there or self.model.plan is not None or self.model.record != Record()

    def _volumes(self) -> Iterator[Desired]:
        """What gives out the volumes that the spec names: without it nothing can be read there."""
        for server in model_volume.volume_servers(self.inputs.detector):
            observed = self.inputs.observed.children.get(("Deployment", server.name))
            made = model_volume.deployment(server, self.image.name, self.inputs.defaults, observed)
            yield Desired(model_volume.service(server), component=server.use, phase=0)
            yield Desired(made, component=server.use, phase=0)

    def _verification(self) -> Iterator[Desired]:
        """The Job that is wanted, unless it is there: it is never changed."""
        detector, wanted = self.inputs.detector, self.model.verify
        if wanted is None:
            return
        name = verification_name(detector, wanted)
        if ("Job", name) in self.inputs.observed.children:
            return
        for version in self.inputs.store.versions:
            if (version.version, version.source) == (wanted.version, wanted.source):
                of = Verifying(
                    detector=detector,
                    effective=self.sizes,
                    image=self.image.name,
                    defaults=self.inputs.defaults,
                    wanted=wanted,
                    version=version,
                    active=self.model.plan.active if self.model.plan is not None else None,
                )
                yield Desired(
                    verification(of), component="verification", phase=0, once=True, recorded=True
                )
