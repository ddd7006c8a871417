"""What people ask for: rollback, promote, abort, release, sync. Each request is handled once, and
its outcome is remembered in the same write as what it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import structs

from fraud_operator.plan.release import verifications
from fraud_operator.plan.release.draft import Draft
from fraud_operator.plan.release.record import Entry, Handled, Release, Trial
from fraud_operator.plan.types import Request, StoreView
from fraud_scorer.artifact.plan import PlannedModel


class _Refused(Exception):
    """It cannot be done; the message says why, and what can."""


def handle(
    draft: Draft, request: Request | None, store: StoreView, wanted: PlannedModel | None
) -> None:
    """Do what was asked for, if that was not done before. `wanted` is what spec and store want."""
    handled = draft.record.request
    if request is None or (handled is not None and handled.id == request.id):
        return
    try:
        message = _ACTIONS[request.action](draft, request, store, wanted)
        outcome = Handled(request.id, request.action, "Done", message)
        by = f" for {request.by}" if request.by else ""
        draft.tell("Normal", "RequestDone", f"{request.action}{by}: {message}")
    except _Refused as refused:
        outcome = Handled(request.id, request.action, "Refused", str(refused))
        draft.tell("Warning", "RequestRefused", f"{request.action}: {refused}")
    draft.record = structs.replace(draft.record, request=outcome)


def _promote(draft: Draft, request: Request, store: StoreView, wanted: PlannedModel | None) -> str:
    trial, hold = draft.record.trial, draft.record.hold
    if trial is None and hold is not None and request.version in ("", hold.against.version):
        draft.record = structs.replace(draft.record, hold=None)
        return f"Version {hold.against.version} is no longer held back."
    trial = _candidate(draft, request)
    draft.record = structs.replace(
        draft.record, trial=structs.replace(trial, state="Holding", promoted=True)
    )
    return f"Version {trial.model.version} becomes active once every pod holds it."


def _abort(draft: Draft, request: Request, store: StoreView, wanted: PlannedModel | None) -> str:
    trial = _candidate(draft, request)
    if draft.active is None:
        raise _Refused("nothing serves that could go on serving")
    draft.hold(draft.active, against=wanted or trial.model, by=request.by, reason=request.reason)
    draft.drop_trial()
    draft.withdraws = True
    return (
        f"Version {trial.model.version} was dropped; {draft.active.version} goes on serving until"
        " another version is published, or the spec wants another one."
    )


def _rollback(draft: Draft, request: Request, store: StoreView, wanted: PlannedModel | None) -> str:
    active = draft.active
    if active is None:
        raise _Refused("nothing serves")
    known = [one for one in draft.good() if one.revision != active.revision]
    target = next(
        (one for one in known if request.version in ("", one.version, one.revision)), None
    )
    if target is None:
        there = ", ".join(dict.fromkeys(one.version for one in known)) or "none"
        which = f"version {request.version}" if request.version else "another revision"
        raise _Refused(
            f"{which} is not among what served here and is not refused (there are: {there})."
            " To serve a version that never served, set spec.model.version."
        )
    if wanted is not None and wanted.revision == target.revision:
        draft.record = structs.replace(draft.record, hold=None)
    else:
        draft.hold(target, against=wanted or active, by=request.by, reason=request.reason)
    draft.withdraws |= draft.record.trial is not None
    draft.record = structs.replace(
        draft.record, trial=Trial(model=target, since=draft.at, promoted=True)
    )
    return (
        f"Going back from version {active.version} (revision {active.revision}) to"
        f" {target.version} (revision {target.revision}), until another version is published, or"
        " the spec wants another one."
    )


def _release(draft: Draft, request: Request, store: StoreView, wanted: PlannedModel | None) -> str:
    if not request.version:
        raise _Refused("say which version, or which digest, is to be released")
    if not request.reason:
        raise _Refused("say why: --reason is recorded")
    entries = _entries(draft, request.version, store)
    if not entries:
        there = ", ".join(one.version for one in draft.ledger.refused) or "none"
        raise _Refused(f"{request.version} is not in quarantine (there are: {there})")
    for entry in entries:
        draft.ledger = draft.ledger.release(
            entry, Release(by=request.by, at=draft.at, reason=request.reason)
        )
    keys = [
        verifications.key_of(one.source, draft.rules.verification)
        for one in store.versions
        if one.version in {entry.version for entry in entries} | {request.version}
    ]
    draft.record = verifications.again(draft.record, keys)
    names = ", ".join(dict.fromkeys(one.version for one in entries))
    return f"Released from quarantine: {names}. It is tried again if it is still wanted."


def _sync(draft: Draft, request: Request, store: StoreView, wanted: PlannedModel | None) -> str:
    draft.record = verifications.again(draft.record)
    return "The store is looked at, and what was inconclusive is verified again."


_ACTIONS: Mapping[str, Callable[[Draft, Request, StoreView, PlannedModel | None], str]] = {
    "promote": _promote,
    "abort": _abort,
    "rollback": _rollback,
    "release": _release,
    "sync": _sync,
}


def _candidate(draft: Draft, request: Request) -> Trial:
    trial = draft.record.trial
    if trial is None:
        raise _Refused("there is no candidate at the moment; see status.model")
    if request.version not in ("", trial.model.version):
        raise _Refused(f"the candidate is version {trial.model.version}")
    return trial


def _entries(draft: Draft, wanted: str, store: StoreView) -> list[Entry]:
    """All that forbid this version (or digest): its bytes may be refused under another name."""
    found = [one for one in draft.ledger.refused if wanted in (one.version, one.digest)]
    for version in store.versions:
        if version.version == wanted:
            digest = version.manifest.digest if version.manifest is not None else ""
            entry = draft.ledger.forbids(version.version, digest, version.source)
            if entry is not None and entry not in found:
                found.append(entry)
    return found
