"""Which model version pods are to serve. Decided anew on every look, from what is there.

The wanted version is the pinned one, or the newest that is neither refused nor damaged. Where it
cannot be had, what serves goes on serving. Two promises hold, whatever the store and the pods say:
no pod is moved to refused bytes, and a detector that served something good keeps serving.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from fraud_operator.plan.children import scorer_name
from fraud_operator.plan.effective import DEFAULT_THRESHOLDS, Effective
from fraud_operator.plan.model_plan import recorded_plans
from fraud_operator.plan.pod_template import deployed_revision, revision_of
from fraud_operator.plan.quarantine import Quarantine, quarantine
from fraud_operator.plan.rollout import rollout
from fraud_operator.plan.types import Inputs, StoreVersion, StoreView
from fraud_scorer.artifact.manifest import version_key
from fraud_scorer.artifact.plan import (
    ModelPlan,
    S3Location,
    StoreLocation,
    make_plan,
    planned,
)


@dataclass(frozen=True, slots=True)
class Known:
    """A version that served, as status remembers it."""

    version: str
    digest: str
    revision: str

    def shown(self) -> dict[str, str]:
        """As status shows it."""
        return {"version": self.version, "digest": self.digest, "revision": self.revision}


@dataclass(frozen=True, slots=True)
class ModelDecision:
    """What to serve, and what that was decided from.

    `target` is None where nothing is known that could be served: the Deployment is not made.
    """

    target: ModelPlan | None
    active: Known | None
    last_known_good: Known | None
    deployed: str
    """The revision that the Deployment's newest pods name; empty: none."""
    plans: tuple[ModelPlan, ...]
    """Every plan that pods may still need: what the ConfigMap is to hold."""
    quarantine: Quarantine
    store: StoreView
    pinned: str
    """Empty: the newest."""
    abandoned: bool
    """Whether a Deployment that is there can go: its pods refused the first version they ever
    got, and none answers. Otherwise it stays, even where there is no target."""

    @property
    def changing(self) -> bool:
        """Whether pods are being moved to other bytes than those that serve."""
        return self.target is not None and (
            self.active is None or self.active.digest != self.target.active.digest
        )

    def refused(self) -> Iterator[tuple[StoreVersion, Mapping[str, Any]]]:
        """Refused versions, with their entries, that are wanted before the target: the pinned one,
        or all that are newer."""
        for version in self.store.versions:
            if version.manifest is None or (self.pinned and version.version != self.pinned):
                continue
            if self.target and version.manifest.digest == self.target.active.digest:
                return
            if entry := self.quarantine.get(version.version, version.manifest.digest):
                yield version, entry

    def damaged(self) -> Iterator[StoreVersion]:
        """Versions without a usable manifest that are wanted before the target: the pinned one, or
        all that are newer by name, as nothing else is known of them."""
        for version in self.store.versions:
            if version.manifest is not None:
                continue
            if self.pinned:
                if version.version == self.pinned:
                    yield version
            elif self.target is None or _is_newer(version.version, self.target.active.version):
                yield version


def decide(inputs: Inputs, effective: Effective) -> ModelDecision:
    """Decide what pods are to serve."""
    detector = inputs.detector
    recorded = recorded_plans(detector, inputs.observed.children)
    deployment = inputs.observed.children.get(("Deployment", scorer_name(detector)))
    deployed = deployed_revision(deployment)
    before = detector.status.get("model", {})

    was_active = _known(before, recorded)
    active = _proven(recorded.get(deployed), deployment, effective) or was_active
    refused = quarantine(
        before.get("quarantined", ()),
        inputs.observed.refusals,
        planned={plan.active.digest for plan in recorded.values()},
        active=active.digest if active else "",
        listed={v.manifest.digest for v in inputs.store.versions if v.manifest},
        now=inputs.now,
    )
    good = _last_known_good(before, was_active, active, refused)

    choice = _Choice(inputs, effective, recorded, refused, deployed, active, good)
    target = choice.target()
    return ModelDecision(
        target=target,
        active=active,
        last_known_good=good,
        deployed=deployed,
        plans=tuple(_needed(target, recorded, deployed, active, good, inputs)),
        quarantine=refused,
        store=inputs.store,
        pinned=effective.version,
        abandoned=target is None
        and active is None
        and deployed in recorded
        and not _answers(deployment),
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """Everything that the choice of a version looks at."""

    inputs: Inputs
    effective: Effective
    recorded: Mapping[str, ModelPlan]
    refused: Quarantine
    deployed: str
    active: Known | None
    good: Known | None

    def target(self) -> ModelPlan | None:
        """The wanted version, else the best that is there, else what serves."""
        wanted = self._pinned() if self.effective.version else self._newest()
        return wanted or self._best_there() or self._what_serves()

    def _pinned(self) -> ModelPlan | None:
        version = self.effective.version
        for listed in self.inputs.store.versions:
            if listed.version == version and (plan := self._usable(listed)):
                return plan
        for plan in self.recorded.values():
            if plan.active.version == version and (found := self._unrefused(plan)):
                return found
        return None

    def _newest(self) -> ModelPlan | None:
        versions = self.inputs.store.versions
        serving = self._there(self.active)
        # Where the manifest of what serves was damaged afterwards, that is no reason to go back.
        stays = any(
            serving and one.manifest is None and one.version == serving.active.version
            for one in versions
        )
        for listed in versions:
            if plan := self._usable(listed):
                older = serving and not _is_newer(listed.version, serving.active.version)
                return serving if stays and older else plan
        return None

    def _best_there(self) -> ModelPlan | None:
        """What the newest pods name, then what serves, then what served before; if not refused."""
        return (
            self._unrefused(self.recorded.get(self.deployed))
            or self._there(self.active)
            or self._there(self.good)
        )

    def _what_serves(self) -> ModelPlan | None:
        """The active version stays where nothing better is left, even after its bytes were refused:
        pods that hold it were right to accept it."""
        return self.recorded.get(self.active.revision) if self.active else None

    def _there(self, known: Known | None) -> ModelPlan | None:
        return self._unrefused(self.recorded.get(known.revision)) if known else None

    def _unrefused(self, plan: ModelPlan | None) -> ModelPlan | None:
        if plan is None or self.refused.get(plan.active.version, plan.active.digest):
            return None
        return self._as_the_spec_says(plan)

    def _usable(self, listed: StoreVersion) -> ModelPlan | None:
        if listed.manifest is None or self.refused.get(listed.version, listed.manifest.digest):
            return None
        thresholds = self.effective.thresholds or listed.manifest.thresholds or DEFAULT_THRESHOLDS
        model = planned(
            listed.manifest, listed.manifest_sha256, thresholds, reasons=self.effective.reasons
        )
        return self._as_recorded(
            make_plan(self.inputs.detector.name, _location(self.inputs), model)
        )

    def _as_the_spec_says(self, plan: ModelPlan) -> ModelPlan:
        """A plan of a version that the store does not list now, with the spec's thresholds and
        number of reasons."""
        model = structs.replace(
            plan.active,
            thresholds=self.effective.thresholds or plan.active.thresholds,
            reasons=self.effective.reasons,
        )
        if model == plan.active:
            return plan
        return self._as_recorded(make_plan(plan.detector, plan.store, model))

    def _as_recorded(self, plan: ModelPlan) -> ModelPlan:
        """The recorded plan that says the same, so that a later operator, which may say it in other
        words, moves no pod."""
        for recorded in self.recorded.values():
            if (
                recorded.detector == plan.detector
                and recorded.store == plan.store
                and recorded.active == plan.active
            ):
                return recorded
        return plan


def _is_newer(version: str, than: str) -> bool:
    return version_key(version) > version_key(than)


def _known(before: Mapping[str, Any], recorded: Mapping[str, ModelPlan]) -> Known | None:
    """The version that status calls active."""
    version, digest = before.get("activeVersion"), before.get("activeDigest")
    if not version or not digest:
        return None
    revision = before.get("activeRevision", "")
    if revision not in recorded:
        same = (plan.revision for plan in recorded.values() if plan.active.digest == digest)
        revision = next(same, revision)
    return Known(version, digest, revision)


def _proven(
    plan: ModelPlan | None, deployment: Mapping[str, Any] | None, effective: Effective
) -> Known | None:
    """What the Deployment's newest pods name, once all pods have accepted it."""
    progress = rollout(dict(deployment)) if deployment is not None else None
    if plan is None or progress is None or not progress.replaced:
        return None
    if progress.available < max(1, effective.least_replicas):
        return None
    return Known(plan.active.version, plan.active.digest, plan.revision)


def _answers(deployment: Mapping[str, Any] | None) -> bool:
    """Whether any pod does."""
    progress = rollout(dict(deployment)) if deployment is not None else None
    return progress is not None and progress.available > 0


def _last_known_good(
    before: Mapping[str, Any],
    was_active: Known | None,
    active: Known | None,
    refused: Quarantine,
) -> Known | None:
    """The version that was active before this one, unless it was refused since."""
    remembered = before.get("lastKnownGood")
    candidates = [was_active, Known(**remembered) if remembered else None]
    for known in candidates:
        if known is None or refused.get(known.version, known.digest):
            continue
        if active is None or known.digest != active.digest:
            return known
    return None


def _location(inputs: Inputs) -> StoreLocation:
    s3 = inputs.detector.spec.model.source.s3
    if s3 is None:
        raise AssertionError("a spec without a source is refused when it is parsed")
    return StoreLocation(
        s3=S3Location(
            bucket=s3.bucket,
            prefix=s3.prefix or "",
            region=s3.region or "",
            endpoint=s3.endpoint or "",
        )
    )


def _needed(
    target: ModelPlan | None,
    recorded: Mapping[str, ModelPlan],
    deployed: str,
    active: Known | None,
    good: Known | None,
    inputs: Inputs,
) -> Iterator[ModelPlan]:
    """The plans of the target, of what pods there are, and of what there is to go back to."""
    if target is not None:
        yield target
    revisions = {deployed, *(known.revision for known in (active, good) if known)}
    revisions |= {revision_of(pod) for pod in inputs.observed.pods}
    for revision, plan in recorded.items():
        if revision in revisions and plan is not target:
            yield plan
