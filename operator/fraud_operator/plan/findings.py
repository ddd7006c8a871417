"""What each condition but those about the model says: one function a reason, in order.

Ready            transactions are scored as the spec says
Reconciling      not there yet, and on the way (abnormal when True)
Stalled          stuck until a person acts (abnormal when True)
ScorerAvailable  enough pods answer
RolloutHealthy   a model that is being rolled out gets on (`rollout_findings`)
UpgradeAvailable the operator would give pods a newer image or template
Contended        somebody keeps changing what the operator owns (only while it lasts)
Suspended        the operator leaves the detector alone (only while it lasts)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fraud_operator.api.quantities import int_or_percent
from fraud_operator.plan.conditions import Finding, first
from fraud_operator.plan.deployment import PROGRESS_DEADLINE_SECONDS
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.image import Image
from fraud_operator.plan.release.decision import Decision
from fraud_operator.plan.rollout import Rollout
from fraud_operator.plan.stores.findings import StoreFindings
from fraud_operator.plan.trouble import refused_field, trouble
from fraud_operator.plan.types import Inputs
from fraud_scorer.artifact.plan import PlannedModel

_WITHOUT_HOPE = frozenset({"AccessDenied", "BucketMissing", "CredentialsMissing"})
"""What a store answers until somebody changes something."""
_REFUSED_BY_SERVER = frozenset({"Invalid", "Forbidden", "BadRequest"})
"""What an apply is answered until somebody changes something."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that findings are made from."""

    inputs: Inputs
    effective: Effective
    image: Image
    model: Decision
    rollout: Rollout | None
    applied: bool
    """Whether the Deployment is already what it is to be."""
    reached: bool
    """Whether the detector was Ready with this generation of its spec before: what moves now was
    moved by the store or by the cluster, not by a change of the spec."""
    template_outdated: bool
    verified: Finding
    stores: StoreFindings
    stores_refused: str
    """What the spec asks of the stores and cannot have; empty where there is nothing."""

    @property
    def needed(self) -> int:
        """Pods that must be available for the detector to count as such: all of them to begin
        with, later as many as a drain of nodes leaves."""
        least = self.effective.least_replicas
        if not self.reached:
            return least
        return max(1, least - _share(self.effective.max_unavailable, least))

    @property
    def active(self) -> PlannedModel | None:
        """The revision that answers."""
        return self.model.plan.active if self.model.plan is not None else None

    @property
    def available(self) -> bool:
        """Whether enough pods answer."""
        return self.rollout is not None and self.rollout.available >= max(1, self.needed)


def stalled(situation: Situation) -> Finding:
    """What a person has to do something about."""
    return first(_STALLED, situation)


def reconciling(situation: Situation, stalled: Finding) -> Finding:
    """What is under way. Nothing is, where the detector is stalled."""
    if stalled.status == "True":
        return Finding("False", "Stalled", stalled.message)
    return first(_RECONCILING, situation)


def scorer_available(situation: Situation) -> Finding:
    """Whether enough pods answer."""
    return first(_AVAILABLE, situation)


def upgrade_available(situation: Situation) -> Finding:
    """Whether pods would be different if the detector were new."""
    return first(_UPGRADE, situation)


def contended(situation: Situation) -> Finding | None:
    """Who keeps changing what."""
    for result in situation.inputs.results:
        if result.outcome == "Contended":
            return Finding("True", result.reason or "Contended", result.message)
    return None


def ready(situation: Situation, stalled: Finding, reconciling: Finding) -> Finding:
    """The summary of all others."""
    if stalled.status == "True":
        return Finding("False", "Stalled", stalled.message)
    if situation.active is None:
        status = situation.verified.status
        instead = situation.effective.when_unavailable
        answer = f" Transactions are answered with {instead}." if instead else ""
        return Finding(
            "False" if status == "False" else "Unknown",
            "NoModel",
            f"{situation.verified.message}{answer}",
        )
    if not situation.reached and reconciling.status == "True":
        return Finding("Unknown", "Progressing", reconciling.message)
    available = scorer_available(situation)
    if available.status != "True":
        return Finding(available.status, "ScorerUnavailable", available.message)
    return Finding("True", "Serving", f"Version {situation.active.version} answers.")


def _missing_reference(situation: Situation) -> Finding | None:
    problems = situation.inputs.observed.problems
    if not problems:
        return None
    listed = "; ".join(f"{path}: {problem}" for path, problem in sorted(problems.items()))
    return Finding("True", "ReferenceMissing", f"{listed}. What runs is left as it is.")


def _stores_refused(situation: Situation) -> Finding | None:
    if not situation.stores_refused:
        return None
    return Finding("True", "StoresRefused", f"{situation.stores_refused}.")


def _not_ours(situation: Situation) -> Finding | None:
    for result in situation.inputs.results:
        if result.outcome == "Conflict":
            return Finding(
                "True",
                "Conflict",
                result.message
                or f"{result.kind} {result.name} belongs to somebody else:"
                " delete it, or give the detector another name.",
            )
    return None


def _refused_by_server(situation: Situation) -> Finding | None:
    for result in situation.inputs.results:
        if result.outcome == "Failed" and result.reason in _REFUSED_BY_SERVER:
            return Finding(
                "True",
                "ApplyRefused",
                f"{result.kind} {result.name}: {result.message}",
            )
    return None


def _pinned_unusable(situation: Situation) -> Finding | None:
    pinned = situation.effective.version
    if not pinned or situation.verified.status != "False":
        return None
    if situation.active is not None and situation.active.version == pinned:
        return None
    return Finding("True", "PinnedVersionUnusable", situation.verified.message)


def _active_refused(situation: Situation) -> Finding | None:
    if not situation.model.asks:
        return None
    return Finding("True", "ActiveRefused", f"{situation.model.asks}.")


def _inconclusive(situation: Situation) -> Finding | None:
    if situation.verified.reason != "VerificationInconclusive":
        return None
    return Finding("True", "VerificationInconclusive", situation.verified.message)


def _store_refuses(situation: Situation) -> Finding | None:
    store = situation.inputs.store
    if situation.reached or store.reason not in _WITHOUT_HOPE:
        return None
    return Finding("True", "StoreUnusable", f"{store.reason}: {store.message}")


def _nothing_usable(situation: Situation) -> Finding | None:
    published = situation.inputs.store.versions or situation.model.quarantine
    if situation.active is not None or not published or situation.verified.status != "False":
        return None
    return Finding("True", "NoUsableVersion", situation.verified.message)


def _pods_refused(situation: Situation) -> Finding | None:
    if not situation.applied or situation.rollout is None:
        return None
    field = refused_field(situation.rollout.refused)
    if not field:
        return None
    return Finding(
        "True",
        "PodsRefused",
        f"{field}: {situation.rollout.refused}."
        " Pods of before, where there were any, keep serving.",
    )


def _rollout_failed(situation: Situation) -> Finding | None:
    if not situation.applied or situation.rollout is None or not situation.rollout.failed:
        return None
    why = trouble(situation.inputs.observed.pods) or situation.rollout.failed
    return Finding(
        "True",
        "RolloutFailed",
        f"No new pod became ready within {PROGRESS_DEADLINE_SECONDS} seconds: {why}."
        " Pods of before, where there were any, keep serving.",
    )


def _not_stalled(_: Situation) -> Finding:
    return Finding("False", "NotStalled", "Nothing waits for a person.")


_STALLED: tuple[Callable[[Situation], Finding | None], ...] = (
    _missing_reference,
    _stores_refused,
    _not_ours,
    _refused_by_server,
    _pinned_unusable,
    _active_refused,
    _inconclusive,
    _store_refuses,
    _nothing_usable,
    _pods_refused,
    _rollout_failed,
    _not_stalled,
)


def _apply_failed(situation: Situation) -> Finding | None:
    for result in situation.inputs.results:
        if result.outcome == "Failed":
            return Finding(
                "True",
                "ApplyFailed",
                f"{result.kind} {result.name}: {result.message} Will be tried again.",
            )
    return None


def _waiting_for_model(situation: Situation) -> Finding | None:
    if situation.active is not None:
        return None
    return Finding("True", "WaitingForModel", situation.verified.message)


def _waiting_for_stores(situation: Situation) -> Finding | None:
    """To begin with. Afterwards stores may go and come, and no answer waits for them; only a
    schema is still waited for."""
    if not situation.reached:
        return situation.stores.waiting
    schema = situation.stores.schema
    if schema is None or schema.status == "True":
        return None
    return Finding("True", "WaitingForSchema", schema.message)


def _scaled_to_zero(situation: Situation) -> Finding | None:
    if situation.effective.least_replicas or not situation.applied:
        return None
    return Finding("False", "ScaledToZero", "No pods are wanted.")


def _rolling_out(situation: Situation) -> Finding | None:
    rollout = situation.rollout
    if situation.model.plan is None:
        return None
    if situation.applied and rollout and rollout.replaced and situation.available:
        return None
    why = trouble(situation.inputs.observed.pods)
    return Finding(
        "True",
        "RollingOut",
        "Pods are being started or replaced; none goes before another is ready."
        + (f" Not ready so far: {why}." if why else ""),
    )


def _verifying(situation: Situation) -> Finding | None:
    if situation.verified.reason != "Verifying":
        return None
    return Finding("True", "Verifying", situation.verified.message)


def _changing_model(situation: Situation) -> Finding | None:
    """A candidate that waits for a person is not under way."""
    trial = situation.model.record.trial
    if trial is None or trial.state in ("Guarded", "Inconclusive"):
        return None
    return Finding(
        "True",
        "ChangingModel",
        f"Version {trial.model.version} is on its way: {trial.state}. See RolloutHealthy.",
    )


def _settled(_: Situation) -> Finding:
    return Finding("False", "Settled", "Everything is as the spec says.")


_RECONCILING: tuple[Callable[[Situation], Finding | None], ...] = (
    _apply_failed,
    _waiting_for_model,
    _waiting_for_stores,
    _scaled_to_zero,
    _rolling_out,
    _verifying,
    _changing_model,
    _settled,
)


def _no_deployment(situation: Situation) -> Finding | None:
    if situation.rollout is not None or situation.model.plan is not None:
        return None
    return Finding("False", "NoPods", "No scorer pods have been made yet.")


def _none_wanted(situation: Situation) -> Finding | None:
    if situation.effective.least_replicas:
        return None
    return Finding(
        "False",
        "NoneWanted",
        "spec.scorer.replicas is 0: nothing answers. Set it to 1 or more to serve.",
    )


def _too_few(situation: Situation) -> Finding | None:
    if situation.available:
        return None
    available = situation.rollout.available if situation.rollout is not None else 0
    why = trouble(situation.inputs.observed.pods)
    return Finding(
        "False",
        "TooFewPods",
        f"{available} of {situation.effective.least_replicas} pods answer;"
        f" {max(1, situation.needed)} must." + (f" {why[:1].upper()}{why[1:]}." if why else ""),
    )


def _enough(situation: Situation) -> Finding:
    return Finding("True", "EnoughPods", "Enough pods answer; see status.scorer.")


_AVAILABLE: tuple[Callable[[Situation], Finding | None], ...] = (
    _no_deployment,
    _none_wanted,
    _too_few,
    _enough,
)


def _newer_image(situation: Situation) -> Finding | None:
    default = situation.inputs.defaults.scorer_image
    if not situation.image.pinned or situation.image.pinned == default:
        return None
    return Finding(
        "True",
        "NewerImage",
        f"Pods run {situation.image.pinned}, the operator's default is now {default}."
        f" To take it, set spec.scorer.image to {default}; pods are then replaced one by one.",
    )


def _newer_template(situation: Situation) -> Finding | None:
    if not situation.template_outdated:
        return None
    return Finding(
        "True",
        "NewerTemplate",
        "This version of the operator would make pods differently."
        " The next change of spec.scorer takes it; pods are then replaced one by one.",
    )


def _up_to_date(_: Situation) -> Finding:
    return Finding("False", "UpToDate", "Pods are as this version of the operator makes them.")


_UPGRADE: tuple[Callable[[Situation], Finding | None], ...] = (
    _newer_image,
    _newer_template,
    _up_to_date,
)


def _share(amount: str, of: int) -> int:
    """A number, or a percentage of `of`, rounded up as the disruption controller does."""
    value = int_or_percent(amount)
    return value if isinstance(value, int) else -(-of * int(value[:-1]) // 100)
