"""Where the drill takes place: a detector with three pods under constant load, and what is watched
while a case is played.

Everything is done and seen as a user would: versions through the S3 API, transactions through the
Service, the rest with kubectl.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.bed import OPERATOR, OPERATOR_NAMESPACE, Bed, wait_for
from tests.e2e.load import Load, under_load

NAME = "drill"
REPLICAS = 3
SPEC: Mapping[str, Any] = {
    "model": {
        "syncInterval": "2s",
        "verification": {"maxScoreMilliseconds": 1, "timeout": "2m"},
        "rollout": {"strategy": "Immediate"},
    },
    "scorer": {"replicas": REPLICAS},
}
SECONDS = 90.0
WITHDRAWN_SECONDS = 1.0
"""After that, no pod answers by a version that was judged bad."""


@dataclass
class Outcome:
    """What came of a case. `bad` counts the answers of the version that must not answer."""

    name: str
    load: Load = field(default_factory=Load)
    bad: int = 0
    allowed: int = 0
    """Answers that the bad version may have given: its share of a canary."""
    withdrawn: float | None = None
    """Seconds from the verdict on a version that answered to its last answer."""
    found: float | None = None
    """Seconds from the publication to `Quarantined` in status."""
    stable: float = 0.0
    """Seconds from the accident until nothing moves any more."""
    said: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the case went as promised."""
        late = self.withdrawn is not None and self.withdrawn > WITHDRAWN_SECONDS
        return not (self.problems or self.load.failed or self.bad > self.allowed or late)


class Ground:
    """The detector of the drill. Every case leaves it Ready, with a good version."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.store = bed.store(NAME)
        self._number = 0
        self.good = ""

    def prepare(self) -> None:
        """The detector with its first good version."""
        self.good = self.next_version()
        self.bed.publish(NAME, self.good)
        self.apply()
        self.settled()

    def apply(self, over: Mapping[str, Any] | None = None) -> None:
        """The detector's spec, with `over` laid over its model section."""
        model = {**SPEC["model"], **(over or {})}
        self.bed.apply(NAME, {**SPEC, "model": model})

    def next_version(self) -> str:
        """A name that is newer than all before."""
        self._number += 1
        return f"v{self._number}"

    def replace_model(self, fitted: object) -> None:
        """Have another good model serve."""
        self.good = self.next_version()
        self.bed.publish(NAME, self.good, model=fitted)
        self.settled()

    def model(self) -> Mapping[str, Any]:
        """`status.model`."""
        found: Mapping[str, Any] = self.bed.detector(NAME)["status"].get("model", {})
        return found

    def quarantined(self, version: str) -> Mapping[str, Any] | None:
        """The entry that names the version; None while there is none."""
        entries: Sequence[Mapping[str, Any]] = self.model().get("quarantined", ())
        return next((entry for entry in entries if entry["version"] == version), None)

    def settled(self) -> None:
        """Wait until the good version serves in every pod, and nothing is under way."""
        self.bed.wait_active(NAME, self.good)
        wait_for("all pods serve", self._serves, SECONDS)
        self.bed.wait_ready(NAME)

    def _serves(self) -> bool:
        detector = self.bed.detector(NAME)
        conditions = {one["type"]: one for one in detector["status"].get("conditions", ())}
        ready = [pod for pod in self.bed.pods(NAME) if _is_ready(pod)]
        return (
            len(ready) == REPLICAS
            and conditions.get("Ready", {}).get("status") == "True"
            and conditions.get("Reconciling", {}).get("status") == "False"
        )

    def uids(self) -> set[str]:
        """Of the pods that there are."""
        return {pod["metadata"]["uid"] for pod in self.bed.pods(NAME)}

    def kill_operator(self) -> None:
        """As a node that dies does it: no goodbye."""
        self.bed.cluster.kubectl(
            *("delete", "pods", "--namespace", OPERATOR_NAMESPACE, "--force"),
            *("--grace-period=0", f"--selector=app.kubernetes.io/name={OPERATOR}"),
        )

    def replace_pods(self) -> None:
        """Have each pod replaced, one after the other, as draining nodes does it."""
        for pod in self.bed.pods(NAME):
            self.bed.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
            gone = pod["metadata"]["uid"]
            wait_for(
                "another pod is ready",
                lambda gone=gone: (  # type: ignore[misc]
                    gone not in self.uids() and sum(map(_is_ready, self.bed.pods(NAME))) == REPLICAS
                ),
                SECONDS,
            )

    @contextmanager
    def case(self, name: str, *, threads: int = 2, pause: float = 0.01) -> Iterator[Outcome]:
        """Play a case under load. What goes wrong in it is told, and not raised."""
        outcome = Outcome(name)
        before = self.uids()
        began = time.monotonic()
        with under_load(self.bed, NAME, threads=threads, pause=pause) as load:
            outcome.load = load
            try:
                yield outcome
            except AssertionError as error:
                outcome.problems.append(str(error))
            outcome.stable = time.monotonic() - began
        if load.answered == 0:
            outcome.problems.append("nothing was answered")
        if "" in load.versions:
            outcome.problems.append(f"{load.versions['']} answers by no model")
        outcome.problems += [f"failed: {one}" for one in load.failed[:3]]
        restarted = before - self.uids()
        if restarted and not name.startswith(("blob", "bucket")):
            outcome.problems.append(f"{len(restarted)} pods were replaced")


def within(what: str, look: Callable[[], Any], seconds: float = SECONDS) -> tuple[Any, float]:
    """What `look` found, and after how many seconds. Raises AssertionError."""
    began = time.monotonic()
    return wait_for(what, look, seconds), time.monotonic() - began


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
