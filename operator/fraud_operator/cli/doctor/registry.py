"""Every check, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fraud_operator.cli.doctor import cluster, detector, installation, permissions
from fraud_operator.cli.doctor.check import Denied, Finding, denied
from fraud_operator.cli.doctor.facts import ClusterFacts

GROUPS = (
    ("Cluster", cluster.CHECKS),
    ("Installation", installation.CHECKS),
    ("Permissions", permissions.CHECKS),
)
DETECTOR_CHECKS = (*detector.CHECKS,)
"""A later group of checks of a detector is added here."""


@dataclass(frozen=True, slots=True)
class Item:
    """One answered check. `detector` is empty for what is not about one."""

    group: str
    check: str
    title: str
    finding: Finding
    detector: str = ""


def examine(facts: ClusterFacts) -> Iterator[Item]:
    """Run every check."""
    for group, checks in GROUPS:
        for check in checks:
            yield Item(group, check.id, check.title, check.run(facts))
    found = facts.detectors
    if found is None or isinstance(found, Denied):
        why = denied("FraudDetectors", found or Denied("not found"))
        yield Item("Detectors", "detector.list", "FraudDetectors", why)
        return
    for one in found:
        for of_detector in DETECTOR_CHECKS:
            yield Item(
                f"FraudDetector {one.key}",
                of_detector.id,
                of_detector.title,
                of_detector.run(one),
                str(one.key),
            )
