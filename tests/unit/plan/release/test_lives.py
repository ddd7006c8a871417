"""Random lives of a detector's models: whatever happens in whatever order, what is promised holds.

Invariants are stated from outside, on what was persisted and on what pods answer with, and not in
the terms of the decision itself.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.release.record import Entry
from fraud_scorer.artifact import layout
from fraud_scorer.artifact.digest import qualified
from fraud_scorer.artifact.plan import ModelPlan
from tests.support.releases import CONFIG_MAP, World, bare, damaged, sha256, version

NAMES = [f"v{n}" for n in range(1, 6)]
CONTENTS = ["", "shared", "other"]
ENDINGS = ["Proven", "Inconclusive", "GoldenMismatch", "DigestMismatch", "SignatureInvalid"]
STEPS = ["tell", "label", "ledger", "history", "verify", ""]
ROLLOUTS = [
    {},
    {"strategy": "Canary", "canary": {"steps": [5, 50], "stepDuration": "10s", "minRequests": 50}},
    {"strategy": "Shadow", "shadow": {"duration": "10s", "minRequests": 50}},
]
THRESHOLDS = [None, ("0.4", "0.8"), ("0.1", "0.12"), ("0.5", "0.95")]

names = st.sampled_from(NAMES)
pods = st.integers(0, 3)


class Lives(RuleBasedStateMachine):
    """Publishers, people, pods, and an operator that may die at any moment."""

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        self.world = World(versions=[version("v1")])
        self.newest_serial = 0
        self.last: ModelPlan | None = None
        self.decision: Decision = self.world.settle()
        self.world.add_pods(count)
        self.operate()

    # Publishers.

    @rule(name=names, content=st.sampled_from(CONTENTS), ending=st.sampled_from(ENDINGS))
    def publish(self, name: str, content: str, ending: str) -> None:
        changed = str(self.world.serials)
        self._publish(name, version(name, content=content, changed=changed), ending)

    @rule(name=names, ending=st.sampled_from(["Proven", "CompileFailed"]))
    def publish_a_bare_file(self, name: str, ending: str) -> None:
        self._publish(name, bare(name, etag=str(self.world.serials)), ending)

    @rule(name=names)
    def damage_a_manifest(self, name: str) -> None:
        self._publish(name, damaged(name), "Proven")

    def _publish(self, name: str, published: object, ending: str) -> None:
        self.world.serials += 1
        self.delete(name)
        self.world.versions.append(published)  # type: ignore[arg-type]
        self.world.endings[name] = ending  # type: ignore[assignment]
        # Without anything to go by, a version is the oldest.
        self.world.versions.sort(key=lambda one: (one.published, one.version), reverse=True)

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.world.versions = [one for one in self.world.versions if one.version != name]

    @rule(away=st.sampled_from(["", "away", "unread"]))
    def the_store_goes_and_comes(self, away: str) -> None:
        self.world.store_reason = "StoreUnreachable" if away == "away" else ""
        self.world.listed = away != "unread"

    @rule(content=st.sampled_from([*CONTENTS[1:], *NAMES]))
    def another_detector_refuses(self, content: str) -> None:
        entry = Entry(
            digest=qualified(sha256(content)), version="theirs", reason="LoadFailed",
            message="it does not load", since="2026-01-01T00:00:00.000Z",
        )  # fmt: skip
        self.world.ledger.setdefault(layout.quarantine_entry(entry.digest, entry.version), entry)

    # Pods.

    @rule()
    def a_pod_is_added(self) -> None:
        if len(self.world.pods) < 4:
            self.world.add_pods(1)

    @rule(at=pods)
    def a_pod_goes(self, at: int) -> None:
        del self.world.pods[at : at + 1]

    @rule(at=pods)
    def a_pod_is_cut_off_or_back(self, at: int) -> None:
        for pod in self.world.pods[at : at + 1]:
            pod.reachable = not pod.reachable
        self.world.hear()

    @rule(at=pods, mounted=st.booleans())
    def a_pod_restarts(self, at: int, mounted: bool) -> None:
        for pod in self.world.pods[at : at + 1]:
            pod.restart(self.world.plan if mounted else pod.plan)
        self.world.hear()

    @rule(at=pods, content=st.sampled_from([*CONTENTS[1:], *NAMES]), how=st.sampled_from(
        ["GoldenMismatch", "DigestMismatch", "FormatMismatch", "Waiting", ""]
    ))  # fmt: skip
    def a_pod_refuses(self, at: int, content: str, how: str) -> None:
        digest = qualified(sha256(content))
        for pod in self.world.pods[at : at + 1]:
            pod.refuses.pop(digest, None)
            pod.waits.pop(digest, None)
            if how == "Waiting":
                pod.waits[digest] = "FileMissing"
            elif how:
                pod.refuses[digest] = how
        self.world.hear()

    @rule(content=st.sampled_from(NAMES))
    def all_pods_refuse(self, content: str) -> None:
        for pod in self.world.pods:
            pod.refuses[qualified(sha256(content))] = "GoldenMismatch"
        self.world.hear()

    @rule(kind=st.sampled_from(["good", "errors", "declines"]), requests=st.integers(1, 400))
    def traffic(self, kind: str, requests: int) -> None:
        how = {"good": {}, "errors": {"errors": 0.5}, "declines": {"declined": 0.6}}[kind]
        self.world.traffic(requests, candidate=how)

    # People.

    @rule(
        rollout=st.sampled_from(ROLLOUTS),
        pinned=st.sampled_from(["", "", *NAMES]),
        automatic=st.sampled_from([True, True, False]),
        thresholds=st.sampled_from(THRESHOLDS),
    )
    def the_spec_changes(
        self, rollout: dict[str, object], pinned: str, automatic: bool,
        thresholds: tuple[str, str] | None,
    ) -> None:  # fmt: skip
        model = {"rollout": rollout, "version": pinned, "rollback": {"automatic": automatic}}
        scoring = (
            {"thresholds": {"review": thresholds[0], "decline": thresholds[1]}}
            if thresholds
            else {}
        )
        self.world.spec = {"model": model, "scoring": scoring}

    @rule(
        action=st.sampled_from(["rollback", "promote", "abort", "release", "sync"]),
        name=st.sampled_from(["", *NAMES]),
    )
    def somebody_asks(self, action: str, name: str) -> None:
        self.world.ask(action, version=name, reason="it was a mistake")

    # The operator.

    @rule(until=st.sampled_from(STEPS), jobs=st.booleans())
    def the_operator_acts_and_may_die(self, until: str, jobs: bool) -> None:
        decision = self.world.decide()
        self.world.carry_out(decision, until=until)
        if jobs:
            self.world.finish_jobs()
        self.world.hear()
        self._check(decision)

    @rule()
    def the_write_fails(self) -> None:
        self.world.carry_out(self.world.decide(), until="persist")

    @rule(what=st.sampled_from(["plan.json", "record.json", "everything"]))
    def somebody_deletes_the_memory(self, what: str) -> None:
        if what == "everything":
            self.world.children.pop(CONFIG_MAP, None)
        elif CONFIG_MAP in self.world.children:
            data = dict(self.world.children[CONFIG_MAP]["data"])
            data.pop(what, None)
            self.world.children[CONFIG_MAP] = {**self.world.children[CONFIG_MAP], "data": data}
        # Who is made to forget may forget what nobody else knows.
        self.last = None
        if not self.world.children.get(CONFIG_MAP, {}).get("data"):
            self.newest_serial = 0

    @rule(seconds=st.sampled_from([0.2, 1.1, 11.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.hear()

    def operate(self) -> None:
        decision = self.world.step()
        self._check(decision)

    # What is promised.

    def _check(self, decision: Decision) -> None:
        self.decision = decision
        plan = decision.plan
        if plan is None:
            return
        self._nothing_refused_is_planned(decision, plan)
        self._something_good_serves(decision, plan)
        self._serials_grow_with_content(plan)
        self._serving_pods_answer_with_nothing_refused(decision)

    def _nothing_refused_is_planned(self, decision: Decision, plan: ModelPlan) -> None:
        bad = {one.digest for one in decision.quarantine if not one.about_version}
        assert not {one.digest for one in plan.models} & bad

    def _something_good_serves(self, decision: Decision, plan: ModelPlan) -> None:
        bad = {one.digest for one in decision.quarantine}
        served = [one.model.digest for one in decision.revisions]
        if plan.active is None:
            assert not [one for one in served if one not in bad]

    def _serials_grow_with_content(self, plan: ModelPlan) -> None:
        assert plan.serial >= self.newest_serial
        last = self.last
        if last is not None and plan.serial == last.serial:
            assert plan == last
        self.newest_serial, self.last = plan.serial, plan

    def _serving_pods_answer_with_nothing_refused(self, decision: Decision) -> None:
        """Once a withdrawal is over; until then there is a second to confirm it."""
        if self.world.record != decision.record or self.world.record.withdrawn_serial:
            return
        if self.world.decide().isolate:  # the operator died before it could
            return
        bad = {one.digest for one in decision.quarantine if not one.about_version}
        for pod in self.world.pods:
            if pod.serving:
                assert not pod.answering() & bad, (pod.name, pod.plan)

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def without_news_there_is_nothing_to_do(self) -> None:
        first = self.world.decide()
        assert self.world.decide() == first
        kept = dict(self.world.children)
        serving = [one.serving for one in self.world.pods]
        self.world._persist(first)
        self.world._write_history(first)
        again = self.world.decide()
        self.world.children, self.world.events = kept, []
        assert [one.serving for one in self.world.pods] == serving
        assert again.plan == first.plan
        assert again.requeue_after is None or again.requeue_after >= 0.1

    def teardown(self) -> None:
        """Left alone by everybody but the pods' customers, it comes to rest."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.listed, world.store_reason, world.request = True, "", None
        for pod in world.pods:
            pod.reachable, pod.refuses, pod.waits = True, {}, {}
        world.hear()
        for _ in range(80):
            decision = world.step()
            world.traffic(400)
            world.now += 20
            self._check(decision)
        again = world.decide()
        assert again.plan == world.plan
        assert again.record == world.record
        assert not again.events
        assert not again.isolate
        assert all(one.serving for one in world.pods)
        self._ends_where_it_should(again)

    def _ends_where_it_should(self, decision: Decision) -> None:
        plan, record = self.world.plan, self.world.record
        trial = record.trial
        if trial is not None:
            # Only a person, or a pod, can bring it on.
            assert trial.state in ("Guarded", "Inconclusive") or not self.world.pods
            return
        if record.hold is not None or decision.wanted is None or plan is None:
            return
        assert plan.active is not None
        assert plan.active.revision == decision.wanted.revision
        pinned = self.world.detector().spec.model.version
        newest = self._newest_good(decision)
        if not pinned and newest is not None and plan.active.version != newest:
            shown = {one.version: one.state for one in decision.versions}
            # What serves was published later than anything that is left.
            assert plan.active.version > newest, (plan.active.version, shown)

    def _newest_good(self, decision: Decision) -> str | None:
        usable = ("Proven", "Active")
        return next((one.version for one in decision.versions if one.state in usable), None)


TestLives = pytest.mark.slow(Lives.TestCase)
TestLives.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
