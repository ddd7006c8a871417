"""What nobody can know before it happens, as a plan takes it to go: well.

Pods are taken to hold what they were told (they cannot be asked from here), and a version that is
to be verified is taken to be proven, so that a plan goes on to what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from fraud_operator.observe.store import Key
from fraud_operator.plan.children import scorer_name
from fraud_operator.plan.detector import plan
from fraud_operator.plan.image import scorer_image
from fraud_operator.plan.release.decision import WantedVerification
from fraud_operator.plan.stores.planned import schema_job
from fraud_operator.plan.types import Inputs, Plan, PodState, StoreVersion, Verification
from fraud_scorer.artifact import layout
from fraud_scorer.artifact.plan import ManifestRef, ModelPlan
from fraud_scorer.artifact.report import Held, Report
from fraud_scorer.artifact.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Obedient:
    """Scorer pods that follow the plan that was written last, and have proven all that it names."""

    plan: ModelPlan | None

    def see(self, key: Key, pods: Iterable[Mapping[str, Any]]) -> tuple[PodState, ...]:
        """Every pod that is not going."""
        return tuple(self._state(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"])

    def _state(self, pod: Mapping[str, Any]) -> PodState:
        name, plan = pod["metadata"]["name"], self.plan
        report = None
        if plan is not None:
            report = Report(
                pod=name,
                incarnation="",
                serial=plan.serial,
                processes=1,
                ready=True,
                answering=plan.active.revision if plan.active is not None else "",
                held=tuple(
                    Held(
                        revision=one.revision,
                        version=one.version,
                        digest=one.digest,
                        state="Proven",
                    )
                    for one in plan.models
                ),
            )
        return PodState(
            name=name, uid=pod["metadata"]["uid"], ready=True, serving=True, report=report
        )


def followed_through(inputs: Inputs) -> tuple[Plan, Inputs]:
    """The plan once the version that it wants verified is proven and the schema is there, with the
    Job that verifies; and what it was made from. The plan itself where it wants none."""
    inputs = _migrated(inputs)
    first = plan(inputs)
    wanted = first.release.verify if first.release is not None else None
    if wanted is None:
        return first, inputs
    for version in inputs.store.versions:
        if (version.version, version.source) == (wanted.version, wanted.source):
            judged = _proven(version, wanted)
            if judged is None:
                break
            seen = replace(inputs.observed, verifications=[judged])
            inputs = replace(inputs, observed=seen)
            then = plan(inputs)
            jobs = [one for one in first.objects if one.manifest["kind"] == "Job"]
            return replace(
                then, objects=(*then.objects, *jobs), keep=first.keep | then.keep
            ), inputs
    return first, inputs


def _migrated(inputs: Inputs) -> Inputs:
    """With the schema's Job at a good end, where there is one."""
    detector, children = inputs.detector, inputs.observed.children
    deployed = children.get(("Deployment", scorer_name(detector)))
    image = scorer_image(detector, deployed, inputs.defaults)
    name = schema_job(inputs, image.name)
    if not name:
        return inputs
    done = {
        "metadata": {**children.get(("Job", name), {}).get("metadata", {}), "name": name},
        "status": {"conditions": [{"type": "Complete", "status": "True"}]},
    }
    seen = replace(inputs.observed, children={**children, ("Job", name): done})
    return replace(inputs, observed=seen)


def _proven(version: StoreVersion, wanted: WantedVerification) -> Verification | None:
    """None of a bare version: what is compiled of it nobody knows beforehand."""
    if version.manifest is None:
        return None
    model = version.manifest.model_file
    verdict = Verdict(
        outcome="Proven",
        reason="Proven",
        version=version.version,
        source=version.source,
        digest=version.manifest.digest,
        manifest=ManifestRef(path=layout.blob(version.source), sha256=version.source),
        model=structs.replace(model, path=layout.blob(model.sha256)),
    )
    return Verification(
        version=version.version,
        source=version.source,
        key=wanted.key,
        attempt=wanted.attempt,
        state="Judged",
        verdict=verdict,
    )
