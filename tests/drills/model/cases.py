"""The cases, in the order in which they are played: what is done, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from examples.demo import bucket
from fraud_scorer.artifact import layout
from tests.drills.model import versions
from tests.drills.model.ground import NAME, Ground, Outcome, within
from tests.e2e.bed import wait_for

CANARY: Mapping[str, Any] = {
    "rollout": {
        "strategy": "Canary",
        "canary": {"steps": [10, 50], "stepDuration": "5s", "minRequests": 200},
    }
}
Case = Callable[[Ground], Outcome]


def cases() -> Iterator[tuple[str, Case]]:
    """All of them by name."""
    for name, publish, reasons in _refused():
        yield name, partial(_refusal, name=name, publish=publish, reasons=reasons)
    yield "scores drift, seen by canary", _drifts
    yield "good version, Immediate", _good
    yield "blob deleted, pods replaced", _blob_deleted
    yield "bucket gone, pods replaced", _bucket_gone
    for moment in ("Verifying", "Holding", "Canary", "Active"):
        yield f"operator killed while {moment}", partial(_operator_killed, moment=moment)


def _refused() -> Iterator[tuple[str, Callable[[Ground, str], None], set[str]]]:
    """What verification must refuse, and for which reasons it may."""

    def altered(change: versions.Change) -> Callable[[Ground, str], None]:
        return lambda ground, version: versions.altered(ground.bed, NAME, version, change)

    def bare(publish: Callable[..., None], **more: Any) -> Callable[[Ground, str], None]:
        return lambda ground, version: publish(ground.store, version, **more)

    yield "truncated file", altered(versions.truncated), {"DigestMismatch"}
    yield "bit flip", altered(versions.bit_flipped), {"DigestMismatch"}
    yield "wrong digest in the manifest", altered(versions.wrong_digest), {"DigestMismatch"}
    attack = bare(versions.hostile, host=bucket.SERVICE, port=bucket.PORT)
    yield "pickle that runs a command", attack, {"CompileFailed"}
    yield "zip bomb", bare(versions.zip_bomb), {"CompileFailed", "TooLarge"}
    yield "scores are NaN", bare(versions.not_a_number), {"CompileFailed", "ScoresInvalid"}
    yield "model for other features", altered(versions.other_features), {"LoadFailed"}
    yield "another scikit-learn", bare(versions.of_another_scikit_learn), {"CompileFailed"}
    slow = lambda ground, version: versions.slow(ground.bed, NAME, version)  # noqa: E731
    yield "model that is too slow", slow, {"TooSlow"}


def _refusal(
    ground: Ground, *, name: str, publish: Callable[[Ground, str], None], reasons: set[str]
) -> Outcome:
    version = ground.next_version()
    with ground.case(name) as outcome:
        publish(ground, version)
        entry, outcome.found = within("it is quarantined", lambda: ground.quarantined(version))
        outcome.said = f"{entry['reason']}: {entry['message']}"
        if entry["reason"] not in reasons:
            outcome.problems.append(f"refused for {entry['reason']}, not {' or '.join(reasons)}")
        ground.settled()
    outcome.bad = outcome.load.versions.get(version, 0)
    return outcome


def _drifts(ground: Ground) -> Outcome:
    version = ground.next_version()
    with ground.case("scores drift, seen by canary", threads=4, pause=0.005) as outcome:
        ground.apply(CANARY)
        rng = np.random.default_rng(1)
        rows = np.column_stack([rng.gamma(2.0, 40.0, 400), rng.integers(0, 2, 400)])
        # It declines what the active one approves.
        contrary = LogisticRegression().fit(rows, rows[:, 0] + 60 * rows[:, 1] < 180)
        ground.bed.publish(NAME, version, model=contrary)
        entry, outcome.found = within("it is quarantined", lambda: ground.quarantined(version))
        outcome.said = f"{entry['reason']}: {entry['message']}"
        ground.settled()
    ground.apply()
    outcome.bad = outcome.load.versions.get(version, 0)
    judged = datetime.fromisoformat(entry["since"]).timestamp()
    outcome.withdrawn = outcome.load.last.get(version, judged) - judged
    # One step's share of all that was answered meanwhile is more than it can have had.
    outcome.allowed = outcome.load.answered * CANARY["rollout"]["canary"]["steps"][0] // 100
    if not outcome.bad:
        outcome.problems.append("the canary never answered: it was not judged by its answers")
    return outcome


def _good(ground: Ground) -> Outcome:
    version = ground.next_version()
    with ground.case("good version, Immediate") as outcome:
        ground.bed.publish(NAME, version, seed=int(version[1:]))
        _, seconds = within("it serves", lambda: ground.model().get("activeVersion") == version)
        ground.good = version
        ground.settled()
        outcome.said = f"serves in all pods {seconds:.1f} s after its publication"
    return outcome


def _blob_deleted(ground: Ground) -> Outcome:
    with ground.case("blob deleted, pods replaced") as outcome:
        digest = ground.model()["activeDigest"]
        ground.store.delete(layout.blob(digest))
        ground.replace_pods()
        ground.settled()
        outcome.said = _verified(ground)
    return outcome


def _bucket_gone(ground: Ground) -> Outcome:
    bed = ground.bed
    with ground.case("bucket gone, pods replaced") as outcome:
        # Its objects live in its pod, so they are kept: the Service is taken away from it.
        bed.kubectl("patch", "service", bucket.SERVICE, "--patch", _selector("nothing"))
        try:
            wait_for(
                "the condition says so",
                lambda: bed.condition(NAME, "ModelStoreReachable").get("status") == "False",
            )
            outcome.said = bed.condition(NAME, "ModelStoreReachable")["message"]
            ground.replace_pods()
        finally:
            bed.kubectl("patch", "service", bucket.SERVICE, "--patch", _selector("bucket"))
        ground.settled()
    return outcome


def _selector(name: str) -> str:
    return f'{{"spec":{{"selector":{{"app.kubernetes.io/name":"{name}"}}}}}}'


def _operator_killed(ground: Ground, *, moment: str) -> Outcome:
    if moment == "Canary":
        ground.replace_model(versions.alike(0))
        ground.apply(CANARY)
    version = ground.next_version()
    with ground.case(f"operator killed while {moment}", pause=0.005) as outcome:
        ground.bed.publish(NAME, version, model=versions.alike(int(version[1:])))
        wait_for(f"it is {moment}", lambda: _reached(ground, version, moment))
        ground.kill_operator()
        within("it serves", lambda: ground.model().get("activeVersion") == version)
        ground.good = version
        ground.settled()
        outcome.said = _verified(ground)
    ground.apply()
    return outcome


def _reached(ground: Ground, version: str, moment: str) -> bool:
    """Whether it is there, or has come further already."""
    states = {one["version"]: one["state"] for one in ground.model().get("versions", ())}
    return states.get(version) in (moment, "Active")


def _verified(ground: Ground) -> str:
    found = ground.bed.condition(NAME, "ModelVerified")
    return f"{found.get('reason', '')}: {found.get('message', '')}"
