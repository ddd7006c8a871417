"""Which tests stay together in one process when several run at once (`make test`).

Tests of one cluster do, as operators that look after the same objects would get in each other's
way; tests about clusters themselves, and all others, stay together by file. A file that takes
longest is split by the first of its parameters.
"""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

OF_ONE_CLUSTER = ("tests/e2e", "tests/integration")
ABOUT_CLUSTERS = "test_cluster_"
SPLIT = ("tests/unit/test_controller_crash.py",)


class Together(LoadScopeScheduling):
    """Hands tests out in the order of collection: those that wait most come first."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        if str(file) in SPLIT:
            return nodeid.rpartition("-")[0] or nodeid
        folder = str(file.parent)
        if folder not in OF_ONE_CLUSTER or file.name.startswith(ABOUT_CLUSTERS):
            return str(file)
        return folder if _a_cluster_for_each_tier() else "all clusters"


@cache
def _a_cluster_for_each_tier() -> bool:
    """Only where clusters are built here does each tier get its own."""
    from tests.cluster.api import providers

    can = (one.name for one in providers() if one.missing("control-plane", None) is None)
    return next(can, "local") == "local"
