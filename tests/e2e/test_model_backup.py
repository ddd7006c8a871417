"""Backups of models on the real cluster: made by their CronJobs, and what is damaged comes back."""

from __future__ import annotations

from typing import Any

import pytest

from examples.demo import bucket
from fraud_scorer.artifact import layout
from tests.e2e.bed import Bed, wait_for

pytestmark = pytest.mark.node

NAME = "backed-up"
COPY = f"{NAME}-copy"


@pytest.fixture(scope="module")
def backed_up(bed: Bed) -> Bed:
    """A detector whose models have a second home, under another prefix of the same bucket."""
    bed.publish(NAME, "v1")
    destination = {
        "bucket": bucket.BUCKET,
        "prefix": f"{COPY}/",
        "endpoint": f"http://{bucket.SERVICE}.{bed.namespace}.svc:{bucket.PORT}",
        "credentialsSecret": bucket.SECRET,
    }
    bed.apply(NAME, {"model": {"backup": {"destination": {"s3": destination}}}})
    bed.wait_ready(NAME)
    return bed


def run(bed: Bed, what: str) -> None:
    """Do not wait for the schedule."""
    cron_job = f"cronjob/{NAME}-{what}"
    bed.kubectl("create", "job", f"--from={cron_job}", f"{NAME}-{what}-now")


def said(bed: Bed) -> dict[str, Any]:
    found: dict[str, Any] = bed.detector(NAME)["status"].get("modelBackup", {})
    return found


def test_before_the_first_backup_it_says_so(backed_up: Bed) -> None:
    assert backed_up.condition(NAME, "ModelBackedUp")["reason"] == "NotYet"


def test_a_backup_is_a_model_store(backed_up: Bed) -> None:
    run(backed_up, "model-backup")
    wait_for(
        "it is backed up",
        lambda: backed_up.condition(NAME, "ModelBackedUp").get("status") == "True",
    )
    assert said(backed_up)["versions"] == 1
    assert backed_up.store(COPY).list_versions() == ["v1"]


def test_what_pods_fetch_is_restored(backed_up: Bed) -> None:
    digest = backed_up.detector(NAME)["status"]["model"]["activeDigest"]
    store = backed_up.store(NAME)
    store.write(layout.blob(digest), b"other bytes")
    run(backed_up, "model-heal")
    wait_for("it is restored", lambda: said(backed_up).get("restored") == [digest])
    whole = b"".join(store.open(layout.blob(digest)))
    assert whole == b"".join(backed_up.store(COPY).open(layout.blob(digest)))
    assert backed_up.condition(NAME, "ModelBackedUp")["status"] == "True"


def test_a_detector_starts_from_the_backup_alone(backed_up: Bed) -> None:
    backed_up.apply(COPY)
    backed_up.wait_ready(COPY)
    answer = backed_up.score(COPY, "tx-1", {"amount": 20.0, "night": 0})
    assert answer["model"]["version"] == "v1"
