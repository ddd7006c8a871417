"""Golden manifests of stores lie beside the others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.golden import assert_golden
from tests.support.worlds import MINIMAL, World

SPEC: Mapping[str, Any] = {
    **MINIMAL,
    "redis": {"managed": {}},
    "postgres": {"managed": {"storage": "100Gi"}},
}
EXTERNAL: Mapping[str, Any] = {
    **MINIMAL,
    "redis": {"external": {"secret": "redis"}},
    "postgres": {"external": {"secret": "records-app", "maxConnections": 60}},
}
FULL: Mapping[str, Any] = {
    **MINIMAL,
    "scoring": {"lists": True, "randomApprovals": {"share": "0.01", "maxAmountMinor": 5000}},
    "redis": {
        "managed": {
            "version": "7.4",
            "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}},
        }
    },
    "features": {"cacheTTL": "30m"},
    "postgres": {
        "managed": {
            "storage": "0.5Ti",
            "storageClass": "fast",
            "version": "16.4",
            "image": "registry.test/postgres:16.4-hardened",
            "maxConnections": 300,
            "retention": "Delete",
            "resources": {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"memory": "8Gi"}},
        }
    },
    "audit": {
        "hot": "30d",
        "retention": "5y",
        "durability": "Committed",
        "whenFull": "Degrade",
        "spool": "512Mi",
        "subject": "cardholder",
        "destination": {
            "s3": {
                "bucket": "records",
                "prefix": "cards/",
                "credentialsSecret": "record-store",
            }
        },
    },
    "scorer": {"nodeSelector": {"pool": "scoring"}, "imagePullSecrets": [{"name": "registry"}]},
}


@pytest.fixture
def golden() -> Callable[[str, dict[str, Any]], None]:
    """Compare a manifest with the file of that name."""
    folder = Path(__file__).parent.parent / "golden"
    return lambda name, made: assert_golden(folder / f"stores-{name}.yaml", made)


def settled(spec: Mapping[str, Any]) -> World:
    """A detector whose stores have come up."""
    world = World(spec=dict(spec))
    world.settle()
    return world
