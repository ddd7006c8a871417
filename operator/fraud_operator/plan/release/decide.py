"""The one decision about models: which revision answers, and what is to be done for the next one.

Decided anew on every look, from what was decided before (plan and record in the ConfigMap), what
is published, what verification and pods say, and what people asked for. Pure, and without a clock:
equal inputs give equal decisions, and without news the decision is the one before. In this order:

    hear      people's requests; verdicts and refusals into the quarantine, proofs into the record
    withdraw  whatever is refused from what serves, and go back to what is good
    choose    what spec and store want, unless somebody went back from it
    advance   the candidate: held, compared, active
    write     one plan, one serial; who must confirm it
"""

from __future__ import annotations

from msgspec import structs

from fraud_operator.plan.effective import DEFAULT_THRESHOLDS, Effective
from fraud_operator.plan.model_plan import memory
from fraud_operator.plan.release import history, trial, verifications, written
from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.release.draft import Draft
from fraud_operator.plan.release.history import Revision
from fraud_operator.plan.release.isolation import confirms, isolation
from fraud_operator.plan.release.ledger import union
from fraud_operator.plan.release.pods import Pods, described
from fraud_operator.plan.release.record import Isolated, Record, Trial
from fraud_operator.plan.release.requests import handle
from fraud_operator.plan.release.versions import (
    Choice,
    Scoring,
    choose,
    is_same_model,
    proof_of,
)
from fraud_operator.plan.types import Inputs
from fraud_scorer.artifact.plan import PlannedModel


def decide(inputs: Inputs, effective: Effective) -> Decision:
    """Decide what pods are to follow, and what is to be done for it."""
    revisions = history.recorded(inputs.observed.children)
    draft = _begun(inputs, effective, revisions)
    wanted = _choice(draft, inputs, effective).wanted
    handle(draft, inputs.observed.request, inputs.store, wanted)
    _hear_verifications(draft, inputs)
    _hear_pods(draft)

    _withdraw(draft)
    _go_back_from_what_is_gone(draft, wanted)
    choice = _choice(draft, inputs, effective)
    target = _target(draft, choice, effective, _is_read(inputs))
    look_after = _advance(draft, target)

    plan = written.plan(draft, inputs, effective, revisions)
    record = written.recorded(draft, plan, inputs, effective)
    draft.record = record
    apart = isolation(draft, plan)
    became = written.became(draft, revisions)
    listed = (became, *revisions) if became is not None else revisions
    kept = history.kept(
        listed,
        effective.release.history_limit,
        (draft.active, plan.last_known_good if plan is not None else None),
    )
    return Decision(
        plan=plan,
        record=draft.record,
        verify=choice.verify,
        isolate=apart.isolate,
        restore=apart.restore,
        ledger=draft.ledger.unwritten(inputs.store.ledger) if inputs.store.listed else (),
        wanted_blobs=written.wanted_blobs(draft, plan, inputs),
        events=tuple(draft.events),
        requeue_after=_soonest(
            look_after,
            apart.look_after,
            (choice.due - inputs.now).total_seconds() if choice.due is not None else None,
        ),
        history=became,
        kept_history=frozenset(
            history.name(inputs.detector, one.serial) for one in kept if one in revisions
        ),
        wanted=choice.wanted,
        waiting=draft.waiting,
        unfit=written.unfit(draft),
        versions=written.shown(draft, choice),
        passed_over=choice.passed_over,
        quarantine=draft.ledger.refused,
        revisions=kept,
        confirmed=sum(confirms(one, plan.serial) for one in draft.pods.states) if plan else 0,
        pods=len(draft.pods.states),
        asks=draft.asks,
    )


# Hear.


def _begun(inputs: Inputs, effective: Effective, revisions: tuple[Revision, ...]) -> Draft:
    """What was decided before. Where the plan is lost, what was active last is still known."""
    known = memory(inputs.detector, inputs.observed.children)
    record = known.record or Record()
    draft = Draft(
        now=inputs.now,
        rules=effective.release,
        before=known.plan,
        pods=Pods(inputs.observed.scorers, known.plan),
        record=record,
        ledger=union(record.quarantine, inputs.store.ledger),
        active=known.plan.active if known.plan is not None else None,
        history=tuple(dict.fromkeys(one.model for one in revisions)),
    )
    if known.plan is None:
        good = draft.good()
        draft.active, draft.why = (good[0], "Restored") if good else (None, "")
    if known.record is None:
        _forgotten(draft)
    return draft


def _forgotten(draft: Draft) -> None:
    """The record is lost: who confirmed what is not known, so everybody is asked again."""
    draft.withdraws = bool(draft.ledger.refused)
    apart = (Isolated(name=one.name, uid=one.uid) for one in draft.pods.states if not one.serving)
    draft.record = structs.replace(draft.record, isolated=tuple(apart))


def _hear_verifications(draft: Draft, inputs: Inputs) -> None:
    served = frozenset(one.digest for one in draft.served)
    refused = set(draft.ledger.refused)
    heard = verifications.hear(
        draft.record,
        draft.ledger,
        inputs.observed.verifications,
        inputs.store,
        served,
        draft.rules.verification,
        inputs.now,
    )
    draft.record, draft.ledger = heard.record, heard.ledger
    for entry in heard.ledger.refused:
        if entry not in refused:
            draft.tell(
                "Warning",
                entry.reason,
                f"Version {entry.version} ({entry.digest}) is refused and will not be tried again:"
                f" {entry.message}",
            )
    for attempt in heard.inconclusive:
        draft.tell(
            "Warning",
            "VerificationInconclusive",
            f"Verification of version {attempt.version} ended without a verdict"
            f" (try {attempt.failures} of {verifications.MOST_FAILURES}): {attempt.reason}:"
            f" {attempt.message}",
        )


def _hear_pods(draft: Draft) -> None:
    """Where most pods refuse a revision, that is a verdict on it."""
    candidate = draft.record.trial
    if candidate is not None and (said := draft.pods.verdict(candidate.model)):
        _refuse(draft, candidate.model, said.reason, described(said))
    _judge_anew_what_is_gone(draft)
    if draft.active is None or not (said := draft.pods.verdict(draft.active)):
        return
    if draft.rules.automatic:
        _refuse(draft, draft.active, said.reason, described(said))
    else:
        draft.asks = (
            f"Most pods refuse the active version {draft.active.version}: {said.reason}:"
            f" {described(said)}. spec.model.rollback.automatic is false: go back with"
            " kubectl fraud rollback"
        )


def _judge_anew_what_is_gone(draft: Draft) -> None:
    """Where no pod can get the candidate's bytes, they are proven, and so stored, once more."""
    candidate = draft.record.trial
    said = draft.pods.unheld(candidate.model) if candidate is not None else None
    if candidate is None or said is None or draft.active is None:
        return
    if candidate.model.digest == draft.active.digest:
        return
    draft.record = verifications.forgotten(
        draft.record, candidate.model.digest, said.reason, described(said), draft.now
    )
    draft.tell(
        "Warning",
        "CandidateBytesGone",
        f"No pod can get the proven bytes of version {candidate.model.version}: {said.reason}:"
        f" {described(said)}. They are proven once more.",
    )
    draft.drop_trial()


def _refuse(draft: Draft, model: PlannedModel, reason: str, message: str) -> None:
    if draft.forbidden(model) is not None:
        return
    draft.refuse(model, reason, message)
    draft.withdraws = True
    entry = draft.forbidden(model)
    after = "will not be tried again" if entry is not None else "is held back"
    draft.tell(
        "Warning",
        reason,
        f"Version {model.version} ({model.digest}) is refused and {after}: {message}",
    )


# Withdraw.


def _withdraw(draft: Draft) -> None:
    """Take what is refused from what serves, by whomever it was refused."""
    before = {(one.digest, one.version, one.turn) for one in draft.record.quarantine}
    for entry in draft.ledger.refused:
        if (entry.digest, entry.version, entry.turn) not in before:
            draft.withdraws |= any(entry.digest == one.digest for one in draft.known)
    candidate = draft.record.trial
    if candidate is not None and draft.forbidden(candidate.model) is not None:
        draft.drop_trial()
        draft.withdraws = True
    hold = draft.record.hold
    if hold is not None and draft.forbidden(hold.model) is not None:
        draft.record = structs.replace(draft.record, hold=None)
    if draft.active is None or (entry_ := draft.forbidden(draft.active)) is None:
        if draft.active is None and (good := draft.good()):
            _go_back(draft, good[0], "What served before is good again")
        return
    good = draft.good()
    why = f"{entry_.reason}: {entry_.message}"
    _go_back(draft, good[0] if good else None, why)


def _go_back(draft: Draft, good: PlannedModel | None, why: str) -> None:
    gone, draft.active = draft.active, good
    draft.withdraws |= gone is not None
    draft.why = "RolledBack"
    was = f"Version {gone.version} no longer answers" if gone is not None else "Nothing answered"
    now = (
        f"version {good.version} (revision {good.revision}) answers again"
        if good is not None
        else "there is nothing good to go back to: publish another version"
    )
    draft.tell("Warning", "RolledBack", f"{was}; {now}. {why}")


def _go_back_from_what_is_gone(draft: Draft, wanted: PlannedModel | None) -> None:
    """Where no pod can have the bytes of the active revision, the one before answers. Nothing is
    wrong with these bytes, so they are not refused; they wait until something else is wanted."""
    active = draft.active
    if active is None or (said := draft.pods.unheld(active)) is None or not draft.rules.automatic:
        return
    good = [one for one in draft.good() if one.digest != active.digest]
    if not good:
        return
    why = f"No pod can get its bytes: {said.reason}: {described(said)}"
    draft.hold(good[0], against=wanted or active, by="the operator", reason=why)
    _go_back(draft, good[0], why)


# Choose.


def _is_read(inputs: Inputs) -> bool:
    """Whether it is known what the store holds."""
    return inputs.store.listed and (not inputs.store.reason or bool(inputs.store.versions))


def _choice(draft: Draft, inputs: Inputs, effective: Effective) -> Choice:
    return choose(
        inputs.store.versions,
        draft.record,
        draft.ledger,
        draft.served,
        _scoring(effective),
        effective.release.verification,
        pinned=effective.version,
        active=draft.active,
        now=inputs.now,
    )


def _scoring(effective: Effective) -> Scoring:
    return Scoring(effective.thresholds, DEFAULT_THRESHOLDS, effective.reasons)


def _target(draft: Draft, choice: Choice, effective: Effective, read: bool) -> PlannedModel | None:
    """What is to answer in the end: what is wanted, unless somebody went back from it."""
    scoring = _scoring(effective)
    wanted, hold, candidate = choice.wanted, draft.record.hold, draft.record.trial
    if not read and not effective.version:
        # What the store holds is not known now: what it wanted when it was read is wanted still.
        last = hold.against if hold is not None else candidate.model if candidate else None
        wanted = scoring.again(last, proof_of(draft.record, last)) if last else wanted
    if hold is not None:
        if wanted is None or wanted.revision == hold.against.revision:
            return hold.model
        if is_same_model(wanted, hold.against) and not is_same_model(hold.model, hold.against):
            return scoring.again(hold.model, proof_of(draft.record, hold.model))
        draft.record = structs.replace(draft.record, hold=None)
    if wanted is not None and draft.forbidden(wanted) is None:
        return wanted
    if draft.active is None:
        return None
    return scoring.again(draft.active, proof_of(draft.record, draft.active))


# Advance.


def _advance(draft: Draft, target: PlannedModel | None) -> float | None:
    """Bring the candidate on; seconds until it is to be looked at again."""
    if draft.active is None:
        draft.drop_trial()
        if target is not None:
            draft.active, draft.why = target, "FirstVersion"
        return None
    candidate = draft.record.trial
    if target is None or target.revision == draft.active.revision:
        if candidate is not None:
            draft.tell(
                "Normal",
                "CandidateDropped",
                f"Version {candidate.model.version} is not wanted any more;"
                f" {draft.active.version} goes on serving.",
            )
            draft.drop_trial()
        return None
    if candidate is None or candidate.model.revision != target.revision:
        back = _is_gone_back_to(draft, draft.active, target)
        candidate = Trial(model=target, since=draft.at, promoted=back)
    progress = trial.advance(candidate, draft.active, draft.pods, draft.rules, draft.now)
    _tell(draft, draft.record.trial, progress)
    draft.record = structs.replace(draft.record, trial=progress.trial)
    draft.waiting = progress.waiting
    if progress.action == "promote":
        _promote(draft, progress)
    elif progress.action == "refuse":
        reason = "ShadowFailed" if progress.trial.state == "Shadow" else "CanaryFailed"
        message = f"{progress.measure}: {progress.message}"
        draft.drop_trial()
        _refuse(draft, progress.trial.model, reason, message)
    return progress.look_after


def _is_gone_back_to(draft: Draft, active: PlannedModel, target: PlannedModel) -> bool:
    """Whether somebody went back to it: it served before, and is not compared again. What is
    changed of it afterwards is."""
    hold = draft.record.hold
    if hold is None:
        return False
    other = is_same_model(hold.model, target) and not is_same_model(active, target)
    return hold.model.revision == target.revision or other


def _promote(draft: Draft, progress: trial.Progress) -> None:
    promoted = progress.trial
    hold = draft.record.hold
    back = hold is not None and hold.model.revision == promoted.model.revision
    was = draft.active
    draft.active, draft.why = promoted.model, "RolledBack" if back else "Promoted"
    draft.withdraws |= back
    draft.drop_trial()
    draft.tell(
        "Normal",
        draft.why,
        f"Version {promoted.model.version} (revision {promoted.model.revision}) answers now,"
        f" instead of {was.version if was else 'none'} (revision {was.revision if was else ''})."
        + (f" {progress.note}" if progress.note else ""),
    )


def _tell(draft: Draft, before: Trial | None, progress: trial.Progress) -> None:
    """An Event for each step that a candidate takes."""
    now = progress.trial
    if before is not None and (before.state, before.step, before.model.revision) == (
        now.state,
        now.step,
        now.model.revision,
    ):
        return
    name = f"Version {now.model.version} (revision {now.model.revision})"
    if now.state == "Holding" and progress.action == "stay":
        draft.tell("Normal", "CandidateFound", f"{name} is proven, and pods are getting it.")
    elif now.state == "Canary":
        share = draft.rules.steps[now.step]
        message = f"{name} answers {share}% of all transactions."
        draft.tell("Normal", "CanaryStep", f"{message} {progress.note}".rstrip())
    elif now.state == "Shadow":
        message = f"{name} scores a copy of every transaction."
        draft.tell("Normal", "ShadowStarted", f"{message} {progress.note}".rstrip())
    elif now.state in ("Guarded", "Inconclusive"):
        reason = "DeclineShift" if now.state == "Guarded" else "CanaryInconclusive"
        draft.tell("Warning", reason, f"{name}: {now.message}.")


def _soonest(*delays: float | None) -> float | None:
    """The shortest wait; nothing is due at once, as what is due was decided just now."""
    return min((max(delay, 0.1) for delay in delays if delay is not None), default=None)
