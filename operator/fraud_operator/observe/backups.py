"""What the last backups of a detector's models said, in the termination messages of their pods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fraud_operator.plan.backup import CONTAINER
from fraud_operator.plan.types import BackupRun, Manifested
from fraud_scorer.artifact import backup


def backup_runs(pods: Iterable[Manifested]) -> list[BackupRun]:
    """Those that have ended, the latest first."""
    found = [run for pod in pods if (run := _run(pod)) is not None]
    return sorted(found, key=lambda run: run.ended, reverse=True)


def _run(pod: Manifested) -> BackupRun | None:
    for container in pod["status"].get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if container["name"] != CONTAINER or not ended:
            continue
        name = pod["metadata"]["name"]
        # NAME-<minute>-<five letters>
        run = BackupRun(pod=name, job=name.rsplit("-", 2)[0], ended=ended.get("finishedAt", ""))
        try:
            return replace(run, report=backup.decode(ended.get("message") or ""))
        except ValueError:
            why = f"{ended.get('reason', '')} (exit code {ended.get('exitCode')}); see its log"
            return replace(run, trouble=f"pod {name}: {why}")
    return None
