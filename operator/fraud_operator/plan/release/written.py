"""What a decision comes to: one plan with one serial, the record of it, what became active, and
what is to be said of pods and versions."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from fraud_operator.plan.effective import Effective
from fraud_operator.plan.release import trial, verifications, versions
from fraud_operator.plan.release.decision import SeenVersion
from fraud_operator.plan.release.draft import Draft
from fraud_operator.plan.release.history import Revision
from fraud_operator.plan.release.pods import described
from fraud_operator.plan.release.record import Became, Record
from fraud_operator.plan.release.versions import Choice, is_same_model
from fraud_operator.plan.store_location import artifacts_of, location_of
from fraud_operator.plan.types import Inputs
from fraud_scorer.artifact.digest import qualified
from fraud_scorer.artifact.plan import ModelPlan, PlannedModel, sealed

_WHEN_UNAVAILABLE: Mapping[str, str] = {
    "Approve": "approve",
    "Review": "review",
    "Decline": "decline",
}


def plan(
    draft: Draft, inputs: Inputs, effective: Effective, revisions: tuple[Revision, ...]
) -> ModelPlan | None:
    """The plan of all this: the one before where it says the same, else the next one."""
    when = _WHEN_UNAVAILABLE.get(effective.when_unavailable)
    last = max(
        draft.record.serial,
        draft.pods.serial,
        draft.before.serial if draft.before is not None else 0,
        revisions[0].serial if revisions else 0,
        inputs.detector.status.get("model", {}).get("pods", {}).get("serial", 0),
    )
    if draft.active is None and when is None and not last:
        return None
    candidate = draft.record.trial
    backup = inputs.detector.spec.model.backup
    plan = sealed(
        ModelPlan(
            schema_version=2,
            serial=max(1, last),
            checksum="",
            detector=inputs.detector.name,
            store=location_of(inputs.detector, artifacts_of(inputs.detector)),
            active=draft.active,
            last_known_good=last_known_good(draft),
            candidate=trial.candidate(candidate, draft.rules) if candidate is not None else None,
            when_unavailable=when,  # type: ignore[arg-type]
            backup=location_of(inputs.detector, backup.destination) if backup else None,
        )
    )
    if plan == draft.before:
        return plan
    return sealed(structs.replace(plan, serial=last + 1))


def last_known_good(draft: Draft) -> PlannedModel | None:
    """What pods hold to go back to: what was active before, of other bytes if there is any."""
    active, before = draft.active, draft.before
    if active is None:
        return None
    hold = draft.record.hold
    was = (before.active,) if before is not None and before.active is not None else ()
    free = [
        one
        for one in (*was, *draft.good())
        if one.revision != active.revision
        and draft.forbidden(one) is None
        and not (hold is not None and is_same_model(one, hold.against))
    ]
    last = before.last_known_good if before is not None else None
    if before is not None and before.active == active and last is not None and last in free:
        return last
    others = [one for one in free if one.digest != active.digest]
    return next(iter((*others, *free)), None)


def recorded(draft: Draft, plan: ModelPlan | None, inputs: Inputs, effective: Effective) -> Record:
    """The record of all this."""
    record = draft.record
    was = draft.before.active if draft.before is not None else None
    if plan is not None:
        changed = was is None or draft.active is None or was.revision != draft.active.revision
        if changed and draft.active is not None:
            became = Became(serial=plan.serial, at=draft.at, why=draft.why or "Restored")
            record = structs.replace(record, became=became)
        record = structs.replace(record, serial=plan.serial)
        if draft.withdraws:
            record = structs.replace(record, withdrawn_serial=plan.serial, withdrawn_at=draft.at)
    listed = {one.manifest.digest for one in inputs.store.versions if one.manifest is not None}
    listed |= {one.digest for one in draft.known}
    record = structs.replace(record, quarantine=draft.ledger.kept(listed))
    if inputs.store.listed and not inputs.store.reason:
        keys = versions.keys_of(inputs.store.versions, effective.release.verification)
        record = verifications.pruned(record, keys)
    return record


def became(draft: Draft, revisions: tuple[Revision, ...]) -> Revision | None:
    """The active revision, where the history does not have it yet."""
    became = draft.record.became
    if draft.active is None or became is None:
        return None
    if any(one.serial == became.serial for one in revisions):
        return None
    return Revision(became.serial, draft.active, became.at, became.why)


def wanted_blobs(draft: Draft, plan: ModelPlan | None, inputs: Inputs) -> tuple[str, ...]:
    """Bytes of what serves, or of what there is to go back to, that the store has lost."""
    if plan is None:
        return ()
    damaged = inputs.observed.damaged_blobs
    wanted: list[str] = []
    for model in (plan.active, plan.last_known_good):
        if model is None:
            continue
        gone = draft.pods.gone(model)
        for digest in (model.digest, qualified(model.manifest.sha256)):
            if digest in damaged or (gone and digest == model.digest):
                wanted.append(digest)
    return tuple(dict.fromkeys(wanted))


def unfit(draft: Draft) -> str:
    """A pod that cannot hold what its siblings hold."""
    for model in (draft.active, draft.record.trial.model if draft.record.trial else None):
        if model is not None and (both := draft.pods.unfit(model)) is not None:
            pod, held = both
            return (
                f"Pod {pod.name} cannot hold version {model.version}, which others hold:"
                f" {held.reason}: {described(held)}"
            )
    return ""


def shown(draft: Draft, choice: Choice) -> tuple[SeenVersion, ...]:
    """Every version of the store, with what the plan makes of it."""
    candidate = draft.record.trial

    def shown(one: SeenVersion) -> SeenVersion:
        if one.state != "Proven":
            return one
        if candidate is not None and _is(one, candidate.model):
            return SeenVersion(
                one.version, candidate.state, one.digest, "", candidate.message, one.report
            )
        if draft.active is not None and _is(one, draft.active):
            return SeenVersion(one.version, "Active", one.digest, report=one.report)
        return one

    return tuple(shown(one) for one in choice.seen)


def _is(one: SeenVersion, model: PlannedModel) -> bool:
    return one.version == model.version and one.digest == model.digest
