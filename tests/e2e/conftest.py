"""Fixtures of the end-to-end tests: the operator once for all of them, a bucket for each file."""

import secrets
from collections.abc import Generator, Iterator

import pytest

from tests.cluster import Cluster
from tests.e2e.bed import Bed, installed, made_bed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the cluster looks like when a test fails; a moment later it is gone."""
    report = yield
    made = getattr(item, "funcargs", {}).get("bed")
    if report.when == "call" and report.failed and made is not None:
        report.sections.append(("the detectors, their pods, the operator's log", made.story()))
    return report


@pytest.fixture(scope="package")
def operator(cluster: Cluster) -> Iterator[None]:
    """The operator, installed from this tree."""
    with installed(cluster):
        yield


@pytest.fixture(scope="module")
def bed(cluster: Cluster, operator: None) -> Iterator[Bed]:
    """A restricted namespace with a bucket, and an operator that looks after it."""
    with made_bed(cluster, f"e2e-{secrets.token_hex(3)}") as made:
        yield made
