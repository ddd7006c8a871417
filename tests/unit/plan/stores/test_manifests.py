"""What stores are made of, as manifests."""

from typing import Any

import pytest

from tests.unit.plan.stores.conftest import EXTERNAL, FULL, SPEC, settled

CASES = {"minimal": SPEC, "full": FULL, "external": EXTERNAL}
PARTS = {
    "redis": ("StatefulSet", "card-payments-redis"),
    "redis-config": ("ConfigMap", "card-payments-redis"),
    "redis-service": ("Service", "card-payments-redis"),
    "redis-nodes": ("Service", "card-payments-redis-nodes"),
    "redis-pdb": ("PodDisruptionBudget", "card-payments-redis"),
    "redis-auth": ("Secret", "card-payments-redis-auth"),
    "postgres": ("StatefulSet", "card-payments-postgres"),
    "postgres-config": ("ConfigMap", "card-payments-postgres"),
    "postgres-app": ("Secret", "card-payments-postgres-app"),
    "records": ("ConfigMap", "card-payments-records"),
    "records-keys": ("Secret", "card-payments-records-keys"),
    "retention": ("CronJob", "card-payments-retention"),
    "deployment": ("Deployment", "card-payments-scorer"),
}
MADE = {
    "minimal": PARTS.keys() - {"records", "records-keys"},
    "full": PARTS.keys(),
    "external": {"deployment", "retention"},
}


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, golden: Any) -> None:
    children = settled(CASES[case]).children
    for part, key in PARTS.items():
        if part in MADE[case]:
            golden(f"{part}-{case}", _without_noise(children[key]))
        else:
            assert key not in children, part
    (schema,) = (child for (kind, name), child in children.items() if "-schema-" in name)
    golden(f"schema-{case}", _without_noise(schema))


def _without_noise(child: dict[str, Any]) -> dict[str, Any]:
    """Without what the API server would add."""
    made = {key: value for key, value in child.items() if key != "status"}
    noise = {"generation", "uid", "creationTimestamp"}
    meta = {key: value for key, value in child["metadata"].items() if key not in noise}
    notes = dict(meta.get("annotations") or {})
    if "fraudops.io/pod-template" in notes:
        notes["fraudops.io/pod-template"] = "recorded"
        meta["annotations"] = notes
    return {**made, "metadata": meta}
