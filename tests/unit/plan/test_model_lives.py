"""Random lives of a detector's model: whatever happens, the two promises hold.

No pod is moved to refused bytes, and a detector that served something good keeps serving.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fraud_operator.plan.pod_template import deployed_revision
from fraud_operator.plan.types import StoreView
from fraud_scorer.artifact import plan as model_plans
from tests.support.worlds import World, damaged, listing, manifest

NAMES = [f"v{n}" for n in range(1, 7)]
REASONS = ["DigestMismatch", "FileMissing", "LoadFailed", "GoldenMismatch", "FormatMismatch"]


class Lives(RuleBasedStateMachine):
    """Publish, damage, delete, refuse, pin, lose, restart; and the operator in between."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.published = ["v1"]
        self.spoiled: set[str] = set()
        self.was_good = False

    @rule(name=st.sampled_from(NAMES))
    def publish(self, name: str) -> None:
        if name not in self.published:
            self.published.insert(0, name)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if name in self.published:
            self.published.remove(name)

    @rule(name=st.sampled_from(NAMES))
    def damage_the_manifest(self, name: str) -> None:
        self.spoiled ^= {name}

    @rule(name=st.sampled_from(NAMES), reason=st.sampled_from(REASONS))
    def pods_refuse(self, name: str, reason: str) -> None:
        self.world.refused[manifest(name).digest] = reason

    @rule(name=st.sampled_from(["", *NAMES]))
    def pin(self, name: str) -> None:
        self.world.change(model={**self.world.spec["model"], "version": name})

    @rule()
    def change_the_pods(self) -> None:
        self.world.change(scorer={"terminationGracePeriodSeconds": 30 + self.world.generation})

    @rule()
    def lose_the_status(self) -> None:
        self.world.status = {"observedGeneration": -1}

    @rule()
    def pods_run(self) -> None:
        self.world.run_pods()

    @rule(store=st.sampled_from(["listed", "away", "unread"]))
    def the_operator_looks(self, store: str) -> None:
        if store == "listed":
            good = [name for name in self.published if name not in self.spoiled]
            bad = [damaged(name) for name in self.published if name in self.spoiled]
            self.world.store = listing(*good, *bad)
        elif store == "away":
            versions = self.world.store.versions
            self.world.store = StoreView(versions, "StoreUnreachable", "no answer", listed=True)
        else:
            self.world.store = StoreView()
        before = deployed_revision(self.world.deployment)
        self.world.step()
        after = deployed_revision(self.world.deployment)
        if after and after != before:
            self.no_pod_is_moved_to_refused_bytes(after)

    def no_pod_is_moved_to_refused_bytes(self, revision: str) -> None:
        data = self.world.children["ConfigMap", "card-payments-model-plan"]["data"]
        digest = model_plans.decode(data[f"{revision}.json"]).active.digest
        model = self.world.status.get("model", {})
        quarantined = {entry["digest"] for entry in model.get("quarantined", ())}
        # What serves may be gone back to after its bytes were refused, where nothing else is left.
        assert digest not in quarantined or digest == model.get("activeDigest")

    @invariant()
    def what_was_good_keeps_serving(self) -> None:
        if not hasattr(self, "world"):
            return
        self.was_good |= "activeVersion" in self.world.status.get("model", {})
        if self.was_good:
            assert self.world.deployment is not None

    @invariant()
    def a_template_names_a_plan_that_is_there(self) -> None:
        if not hasattr(self, "world") or self.world.deployment is None:
            return
        data = self.world.children["ConfigMap", "card-payments-model-plan"]["data"]
        assert f"{deployed_revision(self.world.deployment)}.json" in data

    def teardown(self) -> None:
        """However it lived, left alone it comes to rest."""
        if hasattr(self, "world"):
            self.world.settle()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)
