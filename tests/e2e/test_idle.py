"""What an operator costs while nothing happens: next to no memory, and no write but its Lease."""

import re
import time

import pytest

from tests.cluster.audit import AuditLog, Entry
from tests.e2e.bed import OPERATOR, OPERATOR_NAMESPACE, OPERATOR_USER, Bed, wait_for
from tests.support.operator_memory import most_megabytes

pytestmark = pytest.mark.node

DETECTORS = [f"idle-{number}" for number in range(10)]


@pytest.fixture(scope="module")
def log(bed: Bed) -> AuditLog:
    """What is asked of the API server from before the first detector on."""
    if bed.cluster.audit_log is None:
        pytest.skip(f"the audit log of {bed.cluster.name} is not at hand")
    return AuditLog(bed.cluster.audit_log)


@pytest.fixture(scope="module")
def ten_detectors(bed: Bed, log: AuditLog) -> Bed:
    """Ten detectors, each of which answers."""
    for name in DETECTORS:
        bed.publish(name, "v1")
        bed.apply(name, {"scorer": {"replicas": 1, "resources": {"requests": {"cpu": "20m"}}}})
    for name in DETECTORS:
        bed.wait_ready(name)
    return bed


def test_nothing_was_refused(ten_detectors: Bed, log: AuditLog) -> None:
    asked = _asked(log, ten_detectors)
    assert asked
    assert [entry for entry in asked if entry.refused] == []


def test_only_the_lease_is_written_in_a_minute(ten_detectors: Bed, log: AuditLog) -> None:
    wait_for("the last status is written", lambda: _quiet(log, ten_detectors))
    log.mark()
    time.sleep(60)  # the promise is about a span of time
    writes = [entry for entry in _asked(log, ten_detectors) if entry.writes]
    assert {(entry.resource, entry.name) for entry in writes} == {("leases", OPERATOR)}


def test_ten_detectors_fit_into_little_memory(ten_detectors: Bed) -> None:
    cluster = ten_detectors.cluster
    names = cluster.kubectl(
        *(
            "get",
            "pods",
            "--namespace",
            OPERATOR_NAMESPACE,
            "--field-selector=status.phase=Running",
        ),
        *("--selector=app.kubernetes.io/name=fraud-operator", "--output=name"),
    ).split()
    assert names
    for name in names:
        path = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{name.partition('/')[2]}:8080/proxy"
        metrics = cluster.kubectl("get", f"--raw={path}/metrics")
        found = re.search(r"^process_resident_memory_bytes (\S+)$", metrics, re.MULTILINE)
        assert found is not None
        assert float(found[1]) / (1 << 20) <= most_megabytes()


def _quiet(log: AuditLog, bed: Bed) -> bool:
    """Whether three seconds brought nothing but the Lease."""
    log.mark()
    time.sleep(3)
    return {entry.resource for entry in _asked(log, bed) if entry.writes} <= {"leases"}


def _asked(log: AuditLog, bed: Bed) -> list[Entry]:
    """What the operator asked for here: namespaces of other tests may be on their way out."""
    here = ("", OPERATOR_NAMESPACE, bed.namespace)
    return [entry for entry in log.entries(OPERATOR_USER) if entry.namespace in here]
