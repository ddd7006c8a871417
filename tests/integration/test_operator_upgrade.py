"""An upgrade of the operator to a build that would make pods differently restarts none of them.

The later build is a process of its own (tests.support.later_operator): its templates have one
variable more. Pods are told apart by the UIDs that the real ReplicaSet controller gave them.
"""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.closing import say
from tests.support.kubelet import make_ready, roll_out, scorer_pods
from tests.support.later_operator import VARIABLE
from tests.support.process import Installation, wait_for

LATER = "tests.support.later_operator"
NEWER_IMAGE = "registry.example/fraudops/scorer:2"


def variables(pod: dict[str, Any]) -> list[Any]:
    found: list[Any] = pod["spec"]["containers"][0].get("env", [])
    return found


def condition(at: Installation, kind: str) -> dict[str, Any]:
    found = at.get("frauddetector", "cards") or {}
    conditions = found.get("status", {}).get("conditions", ())
    return next((one for one in conditions if one["type"] == kind), {})


def test_no_pod_restarts_until_its_inputs_change_or_the_upgrade_is_taken(
    installation: Installation, bucket: Bucket, audit: AuditLog
) -> None:
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret(), bucket.detector())
    with installation.operator("today") as today:
        today.wait_to_lead()
        roll_out(installation, "cards", 2)
    before = scorer_pods(installation, "cards")
    assert len(before) == 2

    audit.mark()
    flags = (f"--scorer-image={NEWER_IMAGE}",)
    with installation.operator("later", *flags, module=LATER) as later:
        later.wait_to_lead()
        wait_for(
            "it says that there is an upgrade",
            lambda: condition(installation, "UpgradeAvailable").get("status") == "True",
        )
        written = {e.resource for e in audit.entries(installation.user) if e.writes}
        assert written <= {"frauddetectors/status", "events", "leases"}
        assert scorer_pods(installation, "cards").keys() == before.keys()

        # What is no input of the template leaves it alone: the old pods stay, a new one is like
        # them.
        installation.kubectl("scale", "frauddetector/cards", "--replicas=3")
        make_ready(installation, "cards", 3)
        scaled = scorer_pods(installation, "cards")
        assert before.keys() < scaled.keys()
        assert VARIABLE not in [one for pod in scaled.values() for one in variables(pod)]
        assert condition(installation, "UpgradeAvailable")["status"] == "True"

        # The upgrade is taken, as the condition says how.
        message = condition(installation, "UpgradeAvailable")["message"]
        assert f"set spec.scorer.image to {NEWER_IMAGE}" in message
        image = json.dumps({"spec": {"scorer": {"image": NEWER_IMAGE}}})
        installation.kubectl("patch", "frauddetector/cards", "--type=merge", f"--patch={image}")
        roll_out(installation, "cards", 3)
        taken = scorer_pods(installation, "cards")
        assert not taken.keys() & scaled.keys()
        assert all(VARIABLE in variables(pod) for pod in taken.values())
        wait_for(
            "it has no more to offer",
            lambda: condition(installation, "UpgradeAvailable")["status"] == "False",
        )
    say(
        "operator upgrade",
        [
            f"pods before it: {', '.join(sorted(before))}",
            f"pods after it:  {', '.join(sorted(before.keys() & scaled.keys()))}",
            f"once taken:     {', '.join(sorted(taken))}",
        ],
    )


def test_a_change_of_the_inputs_takes_the_newer_template(
    installation: Installation, bucket: Bucket
) -> None:
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret(), bucket.detector())
    with installation.operator("today") as today:
        today.wait_to_lead()
        roll_out(installation, "cards", 2)
    before = scorer_pods(installation, "cards")
    with installation.operator("later", module=LATER) as later:
        later.wait_to_lead()
        wait_for(
            "it says that there is an upgrade",
            lambda: condition(installation, "UpgradeAvailable").get("reason") == "NewerTemplate",
        )
        installation.apply(
            bucket.detector(scorer={"replicas": 2, "terminationGracePeriodSeconds": 45})
        )
        roll_out(installation, "cards", 2)
        after = scorer_pods(installation, "cards")
        assert not after.keys() & before.keys()
        assert all(VARIABLE in variables(pod) for pod in after.values())
