"""The CronJobs that back models up, and what is said of what they did."""

from __future__ import annotations

from typing import Any

import pytest

from fraud_operator.api.frauddetector import InvalidSpec
from fraud_operator.plan.backup import backups
from fraud_operator.plan.backup_status import backed_up, backup_status
from fraud_operator.plan.children import pod_selector
from fraud_operator.plan.effective import effective
from fraud_operator.plan.pod_template import pod_template
from fraud_operator.plan.types import BackupRun, Inputs, Observed, StoreView
from fraud_scorer.artifact.backup import BackupReport
from tests.support.worlds import DEFAULTS, FULL, MINIMAL, NOW, detector

IMAGE = "registry.test/scorer:1"
DESTINATION = {"gcs": {"bucket": "fraud-backup", "prefix": "cards/", "credentialsSecret": "other"}}
SMALL: dict[str, Any] = {
    **MINIMAL,
    "model": {**MINIMAL["model"], "backup": {"destination": DESTINATION}},
}
LARGE: dict[str, Any] = {
    **FULL,
    "model": {
        **FULL["model"],
        "backup": {
            "destination": DESTINATION,
            "schedule": "30 1 * * 1-5",
            "healSchedule": "@hourly",
            "timeZone": "Europe/Berlin",
            "retentionDays": 90,
        },
    },
}


@pytest.mark.parametrize(("case", "spec"), [("minimal", SMALL), ("full", LARGE)])
def test_golden(golden, case, spec) -> None:
    mirror, heal = backups(detector(spec), IMAGE, DEFAULTS)
    golden(f"backup-{case}", mirror)
    golden(f"heal-{case}", heal)


def test_without_a_destination_nothing_is_made() -> None:
    assert list(backups(detector(MINIMAL), IMAGE, DEFAULTS)) == []


def test_its_pods_are_never_taken_for_scorers() -> None:
    for one in backups(detector(SMALL), IMAGE, DEFAULTS):
        labels = one["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        assert not pod_selector(detector(SMALL)).items() <= labels.items()


def test_scorer_pods_can_read_the_backup() -> None:
    one = detector(SMALL)
    body = pod_template(one, effective(one.spec), IMAGE, DEFAULTS, None).body
    (volume,) = [v for v in body["spec"]["volumes"] if v["name"] == "backup-credentials"]
    assert "other" in str(volume)
    mounts = body["spec"]["containers"][0]["volumeMounts"]
    assert "/etc/fraudops/backup-credentials" in [mount["mountPath"] for mount in mounts]


@pytest.mark.parametrize(
    "schedule", ["", "every day", "0 3 * *", "0 3 * * * *", "@often", "0 3 * * $"]
)
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    backup = {"destination": DESTINATION, "schedule": schedule}
    with pytest.raises(InvalidSpec, match="schedule"):
        detector({**MINIMAL, "model": {**MINIMAL["model"], "backup": backup}})


def inputs(*runs: BackupRun, before: dict[str, Any] | None = None, spec: Any = SMALL) -> Inputs:
    one = detector(spec, status={"modelBackup": before} if before else {})
    return Inputs(one, Observed(backups=runs), StoreView(), DEFAULTS, NOW)


def run(
    ended: str, *, job: str = "cards-model-backup", trouble: str = "", **report: Any
) -> BackupRun:
    given = {"outcome": "Done", "action": "Mirror", **report}
    return BackupRun(
        pod=f"{job}-1-abcde",
        job=job,
        ended=ended,
        report=None if trouble else BackupReport(**given),
        trouble=trouble,
    )


def test_before_the_first_run_it_says_when_that_is() -> None:
    found = backed_up(inputs())
    assert found is not None
    assert (found.status, found.reason) == ("Unknown", "NotYet")
    assert '"0 3 * * *"' in found.message


def test_a_good_run_is_remembered_when_its_pod_is_gone() -> None:
    done = inputs(run("2026-01-02T03:00:00Z", versions=3, bytes=10, verified=12))
    found = backed_up(done)
    assert found is not None
    assert (found.status, found.reason) == ("True", "BackedUp")
    kept = backup_status(done)
    assert (kept["versions"], kept["lastSuccess"]) == (3, "2026-01-02T03:00:00Z")
    assert backup_status(inputs(before=kept)) == kept
    assert backed_up(inputs(before=kept)) == found


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"trouble": "pod x: OOMKilled"}, "BackupFailed"),
        ({"outcome": "Incomplete", "reason": "BytesLost", "message": "gone"}, "BytesLost"),
        ({"outcome": "Incomplete", "reason": "AccessDenied", "message": "no"}, "AccessDenied"),
    ],
)
def test_a_run_that_failed_says_why_and_since_when(last: dict[str, Any], reason: str) -> None:
    good = run("2026-01-02T03:00:00Z", versions=1, bytes=1, verified=4)
    found = backed_up(inputs(run("2026-01-03T03:00:00Z", **last), good))
    assert found is not None
    assert (found.status, found.reason) == ("False", reason)
    assert "2026-01-02T03:00:00Z" in found.message


def test_a_heal_that_fails_counts_though_a_backup_came_after_it() -> None:
    lost = {"action": "Heal", "outcome": "Incomplete", "reason": "BytesLost", "message": "gone"}
    found = backed_up(
        inputs(
            run("2026-01-03T03:00:00Z", versions=1, bytes=1, verified=4),
            run("2026-01-03T02:17:00Z", job="cards-model-heal", **lost),
        )
    )
    assert found is not None
    assert found.reason == "BytesLost"


def test_what_was_restored_is_shown() -> None:
    healed = run("2026-01-03T02:17:00Z", action="Heal", restored=("sha256:1",))
    shown = backup_status(inputs(healed))
    assert (shown["restored"], shown["lastRestored"]) == (["sha256:1"], "2026-01-03T02:17:00Z")
    assert shown["lastHealed"] == "2026-01-03T02:17:00Z"
