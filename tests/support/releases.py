"""A detector's models in memory, for tests of `plan.release`: a store with its ledger,
verifications, pods that follow plans, people, and an operator that may die between any two steps.

`World.decide` only decides; `World.carry_out` does what was decided, as far as the test lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.effective import effective
from fraud_operator.plan.model_plan import model_plan
from fraud_operator.plan.release import history
from fraud_operator.plan.release.decide import decide
from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.release.record import Entry, Record
from fraud_operator.plan.release.record import decode as decode_record
from fraud_operator.plan.types import (
    BareFile,
    Inputs,
    Manifested,
    Observed,
    OperatorDefaults,
    PodState,
    Request,
    StoreVersion,
    StoreView,
    Verification,
)
from fraud_scorer.artifact import layout
from fraud_scorer.artifact.digest import qualified, sha256_hex
from fraud_scorer.artifact.manifest import Engine, Feature, FileRef, Framework, Manifest, Thresholds
from fraud_scorer.artifact.plan import WHOLE, ManifestRef, ModelPlan, PlannedModel
from fraud_scorer.artifact.plan import decode as decode_plan
from fraud_scorer.artifact.report import LATENCY_EDGES, SCORE_BINS, Counts, Held, Report
from fraud_scorer.artifact.verdict import Verdict, VerificationReason

START = datetime(2026, 1, 1, tzinfo=UTC)
NAME, NAMESPACE = "cards", "fraud"
CONFIG_MAP = ("ConfigMap", f"{NAME}-model-plan")

Ending = Literal["Proven", "Inconclusive"] | VerificationReason


def sha256(content: str) -> str:
    """The digest of a model with that content, without its algorithm."""
    return sha256_hex(content.encode())


def version(
    name: str,
    *,
    content: str = "",
    day: int = 0,
    changed: str = "",
    thresholds: tuple[str, str] | None = ("0.5", "0.9"),
) -> StoreVersion:
    """A published version; its bytes are made of `content`, else of its name. `changed` is another
    text where the manifest was overwritten."""
    digits = "".join(one for one in name if one.isdigit()) or "1"
    manifest = Manifest(
        schema_version=1,
        model=NAME,
        version=name,
        created_at=START + timedelta(days=day or int(digits)),
        framework=Framework(name="scikit-learn", version="1.9", python="3.13"),
        engine=Engine(format="fdm", version=1),
        files=(FileRef(path="model.fdm", sha256=sha256(content or name), size=1, role="model"),),
        features=(Feature(name="amount", type="number"),),
        golden=(),
        thresholds=Thresholds(review=thresholds[0], decline=thresholds[1]) if thresholds else None,
    )
    return StoreVersion(name, manifest, sha256_hex(f"{name} {content} {day} {changed}".encode()))


def bare(name: str, *, etag: str = "1") -> StoreVersion:
    """A version that is a model file and nothing else."""
    modified = (START + timedelta(days=3)).isoformat()
    return StoreVersion(name, None, bare=BareFile(f"{name}/model.pkl", 10, etag, modified))


def damaged(name: str) -> StoreVersion:
    """A version whose manifest cannot be read."""
    return StoreVersion(name, None, problem=f"{name}/manifest.json: not JSON; publish it again")


@dataclass
class Pod:
    """A scorer pod: what it was told, and what it holds of that."""

    name: str
    uid: str
    plan: ModelPlan | None = None
    reachable: bool = True
    serving: bool = True
    ready: bool = True
    refuses: dict[str, str] = field(default_factory=dict)
    """Reasons by the digest of a model."""
    waits: dict[str, str] = field(default_factory=dict)
    heard: Report | None = None
    silent_since: float | None = None
    starts: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)

    def follow(self, plan: ModelPlan) -> None:
        """Be told of a plan, by whatever way; an older one changes nothing."""
        if self.plan is None or plan.serial > self.plan.serial:
            self.plan = plan
            self.counts = {}

    def restart(self, plan: ModelPlan | None) -> None:
        """Start anew with whatever plan the pod has mounted."""
        self.starts += 1
        self.plan, self.counts, self.heard = plan, {}, None

    def held(self, one: PlannedModel) -> Held:
        """What it says of a revision."""
        state: Literal["Proven", "Refused", "Waiting"] = "Proven"
        reason = ""
        if one.digest in self.refuses:
            state, reason = "Refused", self.refuses[one.digest]
        elif one.digest in self.waits:
            state, reason = "Waiting", self.waits[one.digest]
        return Held(
            revision=one.revision,
            version=one.version,
            digest=one.digest,
            state=state,
            reason=reason,
            message="said by the pod" if reason else "",
            counts=self.counts.get(one.revision, Counts()),
        )

    def proven(self, one: PlannedModel | None) -> bool:
        return one is not None and self.held(one).state == "Proven"

    def answering(self) -> set[str]:
        """Digests that answer transactions in this pod."""
        if self.plan is None:
            return set()
        found: set[str] = set()
        if self.proven(self.plan.active):
            assert self.plan.active is not None
            found.add(self.plan.active.digest)
        elif self.proven(self.plan.last_known_good):
            assert self.plan.last_known_good is not None
            found.add(self.plan.last_known_good.digest)
        candidate = self.plan.candidate
        if candidate is not None and candidate.share and self.proven(candidate.model):
            found.add(candidate.model.digest)
        return found

    def report(self) -> Report:
        """What it says on its management port."""
        plan = self.plan
        return Report(
            pod=self.name,
            incarnation=f"{self.uid}-{self.starts}",
            serial=plan.serial if plan is not None else 0,
            processes=1,
            ready=bool(self.answering()),
            held=tuple(self.held(one) for one in plan.models) if plan is not None else (),
        )


def counts(
    requests: int, *, declined: float = 0.05, errors: float = 0.0, invalid: float = 0.0, at: int = 5
) -> Counts:
    """What a revision counts over that many transactions: scores in two bins, all of them fast."""
    failed, bad = round(requests * errors), round(requests * invalid)
    scored = requests - failed - bad
    high = round(scored * declined)
    scores = [0] * SCORE_BINS
    scores[at] = scored - high
    scores[SCORE_BINS - 2] += high
    latencies = [0] * (len(LATENCY_EDGES) + 1)
    latencies[2] = requests
    return Counts(
        requests=requests,
        errors=failed,
        invalid=bad,
        approve=scored - high,
        decline=high,
        scores=tuple(scores),
        latencies=tuple(latencies),
    )


@dataclass
class World:
    """The store, the pods, the cluster's objects, and the clock."""

    spec: dict[str, Any] = field(default_factory=dict)
    versions: list[StoreVersion] = field(default_factory=list)
    endings: dict[str, Ending] = field(default_factory=dict)
    """How the verification of a version ends, by its name; Proven where nothing is said."""
    now: float = 0.0
    listed: bool = True
    store_reason: str = ""
    ledger: dict[str, Entry] = field(default_factory=dict)
    children: dict[tuple[str, str], Manifested] = field(default_factory=dict)
    jobs: dict[str, Verification] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    request: Request | None = None
    blobs_damaged: set[str] = field(default_factory=set)
    events: list[tuple[str, str]] = field(default_factory=list)
    serials: int = 0

    # What is there.

    @property
    def plan(self) -> ModelPlan | None:
        """As it is persisted."""
        text = self.children.get(CONFIG_MAP, {}).get("data", {}).get("plan.json")
        return decode_plan(text) if text else None

    @property
    def record(self) -> Record:
        """As it is persisted."""
        text = self.children.get(CONFIG_MAP, {}).get("data", {}).get("record.json")
        return decode_record(text) if text else Record()

    @property
    def active(self) -> str:
        """The version that answers by the persisted plan; empty: none."""
        plan = self.plan
        return plan.active.version if plan is not None and plan.active is not None else ""

    @property
    def trial(self) -> str:
        """Version and state of the candidate."""
        trial = self.record.trial
        return f"{trial.model.version} {trial.state}" if trial is not None else ""

    def detector(self) -> FraudDetector:
        """The detector, with the spec as it is now."""
        model = {"source": {"s3": {"bucket": "models"}}, **self.spec.get("model", {})}
        spec = {"scorer": {"replicas": 3}, **self.spec, "model": model}
        metadata = {"name": NAME, "namespace": NAMESPACE, "uid": "1"}
        return FraudDetector.parse({"metadata": metadata, "spec": spec})

    def inputs(self) -> Inputs:
        """What the operator sees now."""
        return Inputs(
            detector=self.detector(),
            observed=Observed(
                children=dict(self.children),
                scorers=tuple(self._state(one) for one in self.pods),
                verifications=tuple(self.jobs.values()),
                request=self.request,
                damaged_blobs=frozenset(self.blobs_damaged),
            ),
            store=StoreView(
                tuple(self.versions) if self.listed else (),
                reason=self.store_reason,
                listed=self.listed,
                ledger=tuple(self.ledger.values()) if self.listed else (),
            ),
            defaults=OperatorDefaults("scorer:1"),
            now=self.time(),
        )

    def time(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def _state(self, pod: Pod) -> PodState:
        silent = 0.0 if pod.silent_since is None else self.now - pod.silent_since
        return PodState(
            name=pod.name,
            uid=pod.uid,
            ready=pod.ready,
            serving=pod.serving,
            report=pod.heard,
            unreached_seconds=silent,
            problem="" if pod.reachable else "no answer",
        )

    # What the operator does.

    def decide(self) -> Decision:
        """Decide, and do nothing."""
        inputs = self.inputs()
        return decide(inputs, effective(inputs.detector.spec))

    def carry_out(self, decision: Decision, *, until: str = "") -> None:
        """Do what was decided, up to (and without) the step `until`: tell, label, ledger, history,
        verify."""
        steps: Mapping[str, Callable[[Decision], None]] = {
            "persist": self._persist,
            "tell": self._tell,
            "label": self._label,
            "ledger": self._write_ledger,
            "history": self._write_history,
            "verify": self._verify,
        }
        for name, step in steps.items():
            if name == until:
                return
            step(decision)

    def _persist(self, decision: Decision) -> None:
        made = model_plan(self.detector(), decision.plan, decision.record)
        if self.children.get(CONFIG_MAP) != made:
            self.children[CONFIG_MAP] = made
            self.events += [(one.reason, one.message) for one in decision.events]

    def _tell(self, decision: Decision) -> None:
        for pod in self.pods:
            if pod.reachable:
                if decision.plan is not None:
                    pod.follow(decision.plan)
                pod.heard = pod.report()

    def _label(self, decision: Decision) -> None:
        for pod in self.pods:
            if pod.name in decision.isolate:
                pod.serving = False
            if pod.name in decision.restore:
                pod.serving = True

    def _write_ledger(self, decision: Decision) -> None:
        if self.store_reason:
            return
        for entry in decision.ledger:
            self.ledger[layout.quarantine_entry(entry.digest, entry.version)] = entry

    def _write_history(self, decision: Decision) -> None:
        kept = {("ControllerRevision", name) for name in decision.kept_history}
        for key in [one for one in self.children if one[0] == "ControllerRevision"]:
            if key not in kept:
                del self.children[key]
        if decision.history is not None:
            made = history.manifest(self.detector(), decision.history)
            self.children[(made["kind"], made["metadata"]["name"])] = made

    def _verify(self, decision: Decision) -> None:
        wanted = decision.verify
        for key in list(self.jobs):
            if wanted is None or key != wanted.key:
                del self.jobs[key]
        if wanted is None:
            return
        job = self.jobs.get(wanted.key)
        if job is None or job.attempt < wanted.attempt:
            self.jobs[wanted.key] = Verification(
                wanted.version, wanted.source, wanted.key, wanted.attempt, "Running"
            )

    def step(self) -> Decision:
        """Decide, do it, and let running verifications end."""
        decision = self.decide()
        self.carry_out(decision)
        self.finish_jobs()
        self.hear()
        return decision

    def settle(self, *, rounds: int = 60) -> Decision:
        """Until nothing is left to be done but to wait for more than a minute."""
        waited = 0.0
        for _ in range(rounds):
            before = self.children.copy(), dict(self.jobs), self._heard()
            decision = self.step()
            after = self.children, self.jobs, self._heard()
            if before != after:
                continue
            if decision.requeue_after is None or waited + decision.requeue_after > 120:
                return decision
            waited += decision.requeue_after
            self.now += decision.requeue_after
        raise AssertionError("it never comes to rest")

    def _heard(self) -> list[tuple[bool, int]]:
        return [(one.serving, one.heard.serial if one.heard else 0) for one in self.pods]

    # What the world does.

    def hear(self) -> None:
        """The fleet asks everybody."""
        for pod in self.pods:
            if pod.reachable:
                pod.heard, pod.silent_since = pod.report(), None
            elif pod.silent_since is None:
                pod.silent_since = self.now

    def finish_jobs(self) -> None:
        """Running verifications end as the test says."""
        for key, job in self.jobs.items():
            if job.state == "Running":
                self.jobs[key] = self._ended(job)

    def _ended(self, job: Verification) -> Verification:
        ending = self.endings.get(job.version, "Proven")
        if ending == "Inconclusive":
            return replace(
                job, state="Inconclusive", reason="Evicted", message="the node was drained"
            )
        published = next(
            (
                one
                for one in self.versions
                if one.version == job.version and one.source == job.source
            ),
            None,
        )
        if published is None:
            return replace(
                job, state="Inconclusive", reason="StoreUnreachable", message="it is gone"
            )
        return replace(job, state="Judged", verdict=verdict(published, ending))

    def add_pods(self, count: int) -> None:
        """New pods, which read the plan that is mounted."""
        for _ in range(count):
            self.serials += 1
            name = f"{NAME}-scorer-{self.serials}"
            pod = Pod(name, f"uid-{self.serials}")
            pod.restart(self.plan)
            self.pods.append(pod)
        self.hear()

    def traffic(
        self, requests: int, *, candidate: Mapping[str, Any] | None = None, **active: Any
    ) -> None:
        """That many transactions in every pod; how the revisions do is said by the test."""
        for pod in self.pods:
            plan = pod.plan
            if plan is None or plan.active is None:
                continue
            share = plan.candidate.share if plan.candidate is not None else 0
            theirs = requests * share // WHOLE
            if plan.candidate is not None and plan.candidate.shadow:
                self._count(pod, plan.candidate.model, requests, candidate or {})
            elif plan.candidate is not None and theirs:
                self._count(pod, plan.candidate.model, theirs, candidate or {})
            self._count(pod, plan.active, requests - theirs, active)
        self.hear()

    @staticmethod
    def _count(pod: Pod, model: PlannedModel, more: int, how: Mapping[str, Any]) -> None:
        before = pod.counts.get(model.revision, Counts())
        pod.counts[model.revision] = counts(before.requests + more, **how)

    def ask(self, action: Any, **details: str) -> None:
        """A person asks for something."""
        self.serials += 1
        self.request = Request(id=f"request-{self.serials}", action=action, by="ana", **details)

    def state_of(self, version: str, decision: Decision) -> str:
        """As status shows it."""
        return next(one.state for one in decision.versions if one.version == version)


def verdict(published: StoreVersion, ending: Ending) -> Verdict:
    """What judge says of a version in the end."""
    proven = ending == "Proven"
    manifest = published.manifest
    content = manifest.digest if manifest is not None else qualified(sha256(published.version))
    source = published.source if manifest is not None else sha256(f"{published.version}.pkl")
    model_sha = content.removeprefix("sha256:")
    manifest_sha = published.manifest_sha256 or sha256(f"{published.version} compiled")
    return Verdict(
        outcome="Proven" if proven else "Refused",
        reason=ending,  # type: ignore[arg-type]
        version=published.version,
        source=source,
        digest=content if manifest is not None or proven else "",
        message="" if proven else "it is bad",
        manifest=ManifestRef(path=layout.blob(manifest_sha), sha256=manifest_sha)
        if proven
        else None,
        model=FileRef(path=layout.blob(model_sha), sha256=model_sha, size=1, role="model")
        if proven
        else None,
        report=layout.proof("x") if proven else "",
    )
