"""Back a detector's proven models up, and see to it that what pods need is whole.

First every blob that the plan names is read in the store; what is damaged or missing is restored
from the backup, else from a scorer pod. Then what the backup lacks is copied there, all of it is
read back, and versions that no plan has named for the retention are removed from it. With
--heal-only it ends after the first. The report is in the termination log. Exit code 0: all of it is
so; 1: something is not whole, or could not be had; 4: a store is away.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fraud_scorer.artifact.backup import BackupReport, encode
from fraud_scorer.artifact.plan import PlanError, StoreLocation
from fraud_scorer.artifact.store import StoreError
from fraud_scorer.cli import documents, termination, values
from fraud_scorer.cli.terminal import FAILED, USAGE, fail, say

if TYPE_CHECKING:
    from fraud_scorer.artifact.plan import ModelPlan

SUMMARY = "back proven models up, and restore what is damaged"

_AWAY = 4
_NOWHERE = "127.0.0.1:0"
"""This process is none of the pods."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `backup`."""
    add = parser.add_argument
    location = documents.document(StoreLocation)
    add("--plan", required=True, type=Path, metavar="FILE", help="what pods follow")
    add("--store", required=True, type=location, metavar="JSON", help="where pods fetch from")
    add("--store-credentials", required=True, type=Path, metavar="DIR")
    add("--backup", required=True, type=location, metavar="JSON", help="the second store")
    add("--backup-credentials", required=True, type=Path, metavar="DIR")
    add(
        "--retention",
        type=values.positive,
        default=30,
        metavar="DAYS",
        help="how long to keep what no plan names (default: %(default)s)",
    )
    add("--heal-only", action="store_true", help="restore what is damaged, and copy nothing")
    add("--siblings", type=values.address, metavar="HOST:PORT", help="the detector's scorer pods")
    add("--management-token", type=Path, metavar="DIR", help="what to show them")
    termination.add_log(parser)


def run(options: argparse.Namespace) -> int:
    """Back up; see the module for exit codes."""
    from fraud_scorer import logs
    from fraud_scorer.artifact import plan as plans

    if (options.siblings is None) != (options.management_token is None):
        return fail("--siblings and --management-token go together", USAGE)
    logs.configure("info")
    try:
        plan = plans.read(options.plan)
    except PlanError as error:
        return fail(str(error), USAGE)
    try:
        report = _backed_up(options, plan)
    except StoreError as error:
        report = BackupReport(
            outcome="Incomplete",
            action=_action(options),
            reason=error.reason,
            message=str(error),
        )
        termination.leave(options, encode(report))
        return fail(f"{error.reason}: {error}", _AWAY)
    termination.leave(options, encode(report))
    print(_told(report))
    return 0 if report.outcome == "Done" else FAILED


def _backed_up(options: argparse.Namespace, plan: ModelPlan) -> BackupReport:
    from fraud_scorer.artifact.opening import open_mounted
    from fraud_scorer.backup.heal import Elsewhere, backed_up, heal
    from fraud_scorer.backup.mirror import mirror
    from fraud_scorer.following.siblings import Siblings
    from fraud_scorer.following.token import Token

    store = open_mounted(options.store, options.store_credentials)
    backup = open_mounted(options.backup, options.backup_credentials)
    elsewhere = [backed_up(backup)]
    if options.siblings is not None:
        pods = Siblings(options.siblings, Token(options.management_token), _NOWHERE)
        elsewhere += [Elsewhere(pod, str) for pod in pods.all()]
    with tempfile.TemporaryDirectory(prefix="fraud-backup-") as folder:
        workspace = Path(folder)
        say("reading what pods fetch")
        healed = heal(store, plan.models, elsewhere, workspace)
        if options.heal_only:
            return _report(
                options,
                restored=healed.restored,
                lost=healed.lost,
                verified=healed.verified,
            )
        say("copying what the backup lacks, and reading all of it")
        done = mirror(
            store,
            backup,
            plan,
            retention=timedelta(days=options.retention),
            now=datetime.now(UTC),
            workspace=workspace,
        )
    return _report(
        options,
        restored=healed.restored,
        lost=tuple(dict.fromkeys([*healed.lost, *done.lost])),
        verified=healed.verified + done.verified,
        versions=len(done.held),
        bytes=sum(one.size for one in done.held.values()),
        copied=done.copied,
        removed=done.removed,
    )


def _report(options: argparse.Namespace, *, lost: tuple[str, ...], **found: Any) -> BackupReport:
    message = (
        f"{len(lost)} files that are needed are whole neither in the store, nor in the backup, nor"
        f" in a scorer pod, the first {lost[0]}: publish the version again under another name"
        if lost
        else ""
    )
    return BackupReport(
        outcome="Incomplete" if lost else "Done",
        action=_action(options),
        reason="BytesLost" if lost else "",
        message=message,
        lost=lost,
        **found,
    )


def _action(options: argparse.Namespace) -> Literal["Mirror", "Heal"]:
    return "Heal" if options.heal_only else "Mirror"


def _told(report: BackupReport) -> str:
    restored = f"{len(report.restored)} files restored; " if report.restored else ""
    if report.action == "Heal":
        return f"{restored}{report.verified} files read and whole. {report.message}".rstrip()
    return (
        f"{restored}{report.versions} versions of {report.bytes / 1e6:.1f} MB in the backup,"
        f" {report.copied} of them new, {report.removed} removed; {report.verified} files read and"
        f" whole. {report.message}"
    ).rstrip()
