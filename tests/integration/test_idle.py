"""Nothing moves when nothing changes, and ten detectors are no burden."""

from __future__ import annotations

import time

import pytest

from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.kubelet import make_ready
from tests.support.operator_memory import most_megabytes
from tests.support.process import Installation, wait_for

DETECTORS = 10
MINUTE = 60.0


@pytest.fixture
def detectors(installation: Installation, bucket: Bucket) -> list[str]:
    names = [f"idle-{number}" for number in range(DETECTORS)]
    for name in names:
        bucket.publish(f"{name}/", "v1")
    installation.apply(
        bucket.secret(), *(bucket.detector(name, scorer={"replicas": 1}) for name in names)
    )
    return names


def test_an_idle_operator_writes_its_lease_and_nothing_else(
    installation: Installation, detectors: list[str], audit: AuditLog
) -> None:
    with installation.operator_as_in_a_pod() as operator:
        operator.wait_to_lead()
        for name in detectors:
            make_ready(installation, name, 1)
        installation.kubectl(
            "wait", "frauddetectors", "--all", "--for=condition=Ready", "--timeout=60s"
        )
        # Our own last writes come back as events; two quiet seconds and it is over.
        settle(installation, audit)

        audit.mark()
        polls = operator.metric("fraud_operator_store_polls_total")
        time.sleep(MINUTE)  # the promise is about a minute in which nothing happens
        entries = audit.entries(installation.user)
        writes = [entry for entry in entries if entry.writes]
        assert [entry for entry in writes if entry.resource != "leases"] == []
        assert 0 < len(writes) <= 40
        assert not [entry for entry in entries if entry.refused]
        wait_for(
            "stores were looked at all the while",
            lambda: operator.metric("fraud_operator_store_polls_total") >= polls + 5 * DETECTORS,
        )

        megabytes = operator.resident_megabytes()
        print(f"{DETECTORS} detectors: {megabytes:.0f} MB resident")
        assert megabytes <= most_megabytes()

    # A new process finds everything as it should be.
    audit.mark()
    with installation.operator("restarted") as operator:
        operator.wait_to_lead()
        wait_for(
            "every detector was looked at",
            lambda: operator.metric("fraud_operator_reconciles_total") >= 2 * DETECTORS,
        )
        writes = [entry for entry in audit.entries(installation.user) if entry.writes]
        assert [entry for entry in writes if entry.resource != "leases"] == []


def settle(installation: Installation, audit: AuditLog) -> None:
    """Wait for two seconds in which the operator writes nothing but its Lease."""

    def quiet() -> bool:
        audit.mark()
        time.sleep(2)
        return not [
            entry
            for entry in audit.entries(installation.user)
            if entry.writes and entry.resource != "leases"
        ]

    wait_for("a quiet moment", quiet, seconds=60)
