"""`spec.model.verification`, `.rollout` and `.rollback` with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fraud_operator.api.model import Model
from fraud_operator.api.quantities import canonical_memory, seconds
from fraud_operator.api.release import Canary, Rollout, Shadow, Strategy, Verification
from fraud_operator.api.release import Tolerances as SpecTolerances
from fraud_operator.plan.release.compare import Tolerances
from fraud_scorer.artifact.digest import canonical_json

FORMAT_VERSION = 1
"""Of compiled models, as today's scorer reads them; a proof is valid for one."""

DEFAULT_STEPS = (1, 10, 50)
_WHOLE = 100
_DEFAULT_STEP_DURATION = "5m"
_DEFAULT_STEP_REQUESTS = 200
_DEFAULT_SHADOW_DURATION = "30m"
_DEFAULT_SHADOW_REQUESTS = 1000
_DEFAULT_MAX_DECLINE_SHIFT = "0.05"
_DEFAULT_GOLDEN_TOLERANCE = "1e-9"
_DEFAULT_MAX_SCORE_MILLISECONDS = 50
_DEFAULT_TIMEOUT = "10m"
_DEFAULT_MEMORY = "2Gi"
_DEFAULT_HISTORY_LIMIT = 10


@dataclass(frozen=True, slots=True)
class VerificationRules:
    """How a version is proven."""

    golden_tolerance: str
    max_score_milliseconds: int
    timeout: str
    memory: str
    public_key_secret: tuple[str, str] | None
    """Name and key of the Secret; None: no signature is looked for."""
    allow_input_changes: bool

    @property
    def settings(self) -> str:
        """What a verdict depends on: the text for `proof_key`."""
        found: list[object] = [
            self.golden_tolerance,
            self.max_score_milliseconds,
            self.public_key_secret,
        ]
        # Only where it is set: what was proven before there was such a field stays proven.
        return canonical_json([*found, "inputs"] if self.allow_input_changes else found).decode()


@dataclass(frozen=True, slots=True)
class ReleaseRules:
    """How a proven version takes over and is taken back. A shadow has one step."""

    verification: VerificationRules
    strategy: Strategy
    steps: tuple[int, ...]
    """Percent, ascending; without 100. (0,) for a shadow, empty where it is immediate."""
    step_duration: str
    min_requests: int
    tolerances: Tolerances
    max_decline_shift: str
    automatic: bool
    history_limit: int

    @property
    def step_seconds(self) -> int:
        """How long a step lasts at the least."""
        return seconds(self.step_duration)

    def shown(self) -> dict[str, Any]:
        """The parts of `status.effective.model`."""
        rollout: dict[str, Any] = {
            "strategy": self.strategy,
            "maxDeclineShift": self.max_decline_shift,
        }
        if self.strategy == "Canary":
            rollout["steps"] = list(self.steps)
        if self.strategy != "Immediate":
            rollout["stepDuration"] = self.step_duration
            rollout["minRequests"] = self.min_requests
            rollout["tolerances"] = {
                name: f"{getattr(self.tolerances, name):g}"
                for name in ("errors", "invalid", "decisions", "scores", "latency")
            }
        verification: dict[str, Any] = {
            "goldenTolerance": self.verification.golden_tolerance,
            "maxScoreMilliseconds": self.verification.max_score_milliseconds,
            "timeout": self.verification.timeout,
            "memory": self.verification.memory,
            "signed": self.verification.public_key_secret is not None,
            "allowInputChanges": self.verification.allow_input_changes,
        }
        return {
            "verification": verification,
            "rollout": rollout,
            "rollback": {"automatic": self.automatic, "historyLimit": self.history_limit},
        }


def release_rules(model: Model) -> ReleaseRules:
    """Resolve every default."""
    rollout, rollback = model.rollout, model.rollback
    strategy: Strategy = rollout.strategy or "Immediate"
    canary, shadow = rollout.canary or Canary(), rollout.shadow or Shadow()
    steps: tuple[int, ...] = ()
    if strategy == "Canary":
        steps = tuple(sorted(one for one in canary.steps or DEFAULT_STEPS if one < _WHOLE))
    elif strategy == "Shadow":
        steps = (0,)
    return ReleaseRules(
        verification=_verification(model.verification),
        strategy=strategy if steps else "Immediate",
        steps=steps,
        step_duration=(shadow.duration or _DEFAULT_SHADOW_DURATION)
        if strategy == "Shadow"
        else (canary.step_duration or _DEFAULT_STEP_DURATION),
        min_requests=(shadow.min_requests or _DEFAULT_SHADOW_REQUESTS)
        if strategy == "Shadow"
        else (canary.min_requests or _DEFAULT_STEP_REQUESTS),
        tolerances=_tolerances(rollout),
        max_decline_shift=rollout.max_decline_shift or _DEFAULT_MAX_DECLINE_SHIFT,
        automatic=rollback.automatic is not False,
        history_limit=rollback.history_limit or _DEFAULT_HISTORY_LIMIT,
    )


def _verification(spec: Verification) -> VerificationRules:
    signature = spec.signature
    return VerificationRules(
        golden_tolerance=spec.golden_tolerance or _DEFAULT_GOLDEN_TOLERANCE,
        max_score_milliseconds=spec.max_score_milliseconds or _DEFAULT_MAX_SCORE_MILLISECONDS,
        timeout=spec.timeout or _DEFAULT_TIMEOUT,
        memory=canonical_memory(spec.memory or _DEFAULT_MEMORY),
        public_key_secret=(signature.public_key_secret.name, signature.public_key_secret.key)
        if signature is not None
        else None,
        allow_input_changes=spec.allow_input_changes is True,
    )


def _tolerances(rollout: Rollout) -> Tolerances:
    given, usual = rollout.tolerances or SpecTolerances(), Tolerances()

    def of(name: str) -> float:
        text = getattr(given, name)
        return float(getattr(usual, name) if text is None else text)

    return Tolerances(
        errors=of("errors"),
        invalid=of("invalid"),
        decisions=of("decisions"),
        scores=of("scores"),
        latency=of("latency"),
    )
