"""What is said of a detector's backups: `status.modelBackup`, and the condition ModelBackedUp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fraud_operator.plan.backup import DEFAULT_SCHEDULE
from fraud_operator.plan.conditions import Finding
from fraud_operator.plan.types import BackupRun, Inputs


def backup_status(inputs: Inputs) -> dict[str, Any]:
    """As it is written; what runs said before whose pods are gone stays."""
    if inputs.detector.spec.model.backup is None:
        return {}
    shown = dict(inputs.detector.status.get("modelBackup", {}))
    mirrored = _latest(inputs.observed.backups, "Mirror")
    if mirrored is not None and mirrored.ended >= shown.get("lastSuccess", ""):
        report = mirrored.report
        assert report is not None, "a run without one is none that succeeded"  # noqa: S101
        shown |= {
            "lastSuccess": mirrored.ended,
            "versions": report.versions,
            "bytes": report.bytes,
            "verified": report.verified,
        }
    for run in inputs.observed.backups:
        if run.report and run.report.restored and run.ended > shown.get("lastRestored", ""):
            shown |= {"lastRestored": run.ended, "restored": list(run.report.restored)}
    healed = _latest(inputs.observed.backups, "Heal")
    if healed is not None and healed.ended >= shown.get("lastHealed", ""):
        shown["lastHealed"] = healed.ended
    return shown


def backed_up(inputs: Inputs) -> Finding | None:
    """Whether the last run of each kind did what it is for; None where nothing is to be done."""
    wanted = inputs.detector.spec.model.backup
    if wanted is None:
        return None
    status = backup_status(inputs)
    last = status.get("lastSuccess", "")
    for run in _last_of_each(inputs.observed.backups):
        if run.report is None:
            return Finding("False", "BackupFailed", f"{run.trouble}. {_since(last)}")
        if run.report.outcome == "Incomplete":
            reason = run.report.reason or "BackupFailed"
            return Finding("False", reason, f"{run.report.message}. {_since(last)}")
    if not last:
        schedule = wanted.schedule or DEFAULT_SCHEDULE
        return Finding(
            "Unknown", "NotYet", f'There was no backup yet; the schedule is "{schedule}".'
        )
    return Finding(
        "True",
        "BackedUp",
        f"{status['versions']} versions are in the backup, read back at {last}.",
    )


def _since(last: str) -> str:
    return f"The last good backup was at {last}." if last else "There was no good backup yet."


def _latest(runs: Sequence[BackupRun], action: str) -> BackupRun | None:
    """Of those that did all they are for."""
    return next(
        (
            run
            for run in runs
            if run.report and (run.report.action, run.report.outcome) == (action, "Done")
        ),
        None,
    )


def _last_of_each(runs: Sequence[BackupRun]) -> list[BackupRun]:
    """The last run of each CronJob: in trouble, they do not say of which they are."""
    found: Mapping[str, BackupRun] = {run.job: run for run in reversed(runs)}
    return list(found.values())
