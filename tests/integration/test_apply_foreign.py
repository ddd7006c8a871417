"""An object that belongs to somebody else is never adopted, whatever its name."""

from __future__ import annotations

from typing import Any

from tests.support.bucket import Bucket
from tests.support.process import Installation, Operator, wait_for


def condition(installation: Installation, type_: str) -> dict[str, Any] | None:
    detector = installation.get("frauddetector", "cards")
    conditions = (detector or {}).get("status", {}).get("conditions", [])
    found: dict[str, Any] | None = next((c for c in conditions if c["type"] == type_), None)
    return found


def test_a_foreign_object_is_left_alone_until_it_goes(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    installation.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "cards-scorer", "labels": {"team": "other"}},
            "spec": {"ports": [{"port": 1234}]},
        }
    )
    before = installation.get("service", "cards-scorer")
    installation.apply(bucket.detector())

    def conflict() -> str | None:
        found = condition(installation, "Stalled")
        return found["message"] if found and found["reason"] == "Conflict" else None

    message = wait_for("Stalled because of a conflict", conflict)
    assert "Service" in message
    assert "cards-scorer" in message
    assert "rename or delete it" in message
    assert installation.get("service", "cards-scorer") == before
    wait_for("the others are there", lambda: installation.get("deployment", "cards-scorer"))

    # Nobody tells us about foreign objects: we look for ourselves, now and then.
    installation.kubectl("delete", "service", "cards-scorer")

    def ours() -> bool:
        found = installation.get("service", "cards-scorer")
        return found is not None and "ownerReferences" in found["metadata"]

    wait_for("our own Service", ours)

    def over() -> bool:
        found = condition(installation, "Stalled")
        return found is not None and found["status"] == "False"

    wait_for("no more conflict", over)


def test_children_of_another_detector_are_not_taken(
    installation: Installation, operator: Operator, bucket: Bucket
) -> None:
    """The same child name cannot come from two detectors, but an owner can be written by hand."""
    installation.apply(bucket.detector())
    wait_for("the Deployment", lambda: installation.get("deployment", "cards-scorer"))
    installation.kubectl("delete", "service", "cards-scorer", "--wait=false")
    service = wait_for("the Service", lambda: installation.get("service", "cards-scorer"))
    installation.kubectl(
        "patch", "service", "cards-scorer", "--type=json",
        '--patch=[{"op": "replace", "path": "/metadata/ownerReferences/0/uid",'
        ' "value": "00000000-0000-0000-0000-000000000000"},'
        '{"op": "replace", "path": "/metadata/ownerReferences/0/name", "value": "other"}]',
    )  # fmt: skip
    uid = service["metadata"]["uid"]

    # The garbage collector takes it, as its owner does not exist, and we make it anew.
    def anew() -> bool:
        found = installation.get("service", "cards-scorer")
        return found is not None and found["metadata"]["uid"] != uid

    wait_for("another Service", anew, seconds=60)
