"""Defaults of verification, roll-out and rollback, and what a proof is valid for."""

import pytest

from fraud_operator.api.frauddetector import FraudDetectorSpec
from fraud_operator.plan.release.compare import Tolerances
from fraud_operator.plan.release.rules import FORMAT_VERSION, ReleaseRules, release_rules
from fraud_operator.plan.release.verifications import key_of
from fraud_scorer import engine
from tests.support.rules import merged


def rules(**model) -> ReleaseRules:
    return release_rules(FraudDetectorSpec.model_validate(merged({"model": model})).model)


def test_a_proof_is_for_the_format_that_scorers_read():
    assert FORMAT_VERSION == engine.FORMAT_VERSION


def test_nothing_set():
    made = rules()
    assert (made.strategy, made.steps, made.automatic) == ("Immediate", (), True)
    assert made.tolerances == Tolerances()
    assert (made.max_decline_shift, made.history_limit) == ("0.05", 10)


def test_everything_set():
    made = rules(
        rollout={
            "strategy": "Canary",
            "canary": {"steps": [50, 2, 100], "stepDuration": "90s", "minRequests": 7},
            "tolerances": {
                "errors": "0",
                "invalid": "0.01",
                "decisions": "0.02",
                "scores": "0.3",
                "latency": "1.5",
            },
            "maxDeclineShift": "0.2",
        },
        rollback={"automatic": False, "historyLimit": 3},
    )
    assert (made.steps, made.step_seconds, made.min_requests) == ((2, 50), 90, 7)
    assert made.tolerances == Tolerances(0.0, 0.01, 0.02, 0.3, 1.5)
    assert (made.max_decline_shift, made.automatic, made.history_limit) == ("0.2", False, 3)


def test_a_canary_has_steps_and_a_shadow_a_length_of_its_own():
    assert rules(rollout={"strategy": "Canary"}).steps == (1, 10, 50)
    shadow = rules(rollout={"strategy": "Shadow", "shadow": {"duration": "2h", "minRequests": 5}})
    assert (shadow.steps, shadow.step_seconds, shadow.min_requests) == ((0,), 7200, 5)


def test_a_canary_that_begins_with_everybody_is_immediate():
    made = rules(rollout={"strategy": "Canary", "canary": {"steps": [100]}})
    assert (made.strategy, made.steps) == ("Immediate", ())


@pytest.mark.parametrize(
    "verification",
    [
        {"goldenTolerance": "1e-6"},
        {"maxScoreMilliseconds": 5},
        {"signature": {"publicKeySecret": {"name": "signing", "key": "cosign.pub"}}},
        {"allowInputChanges": True},
    ],
)
def test_other_rules_of_verification_are_another_proof(verification):
    usual, other = (rules(verification=one).verification for one in ({}, verification))
    assert key_of("a" * 64, usual) != key_of("a" * 64, other)


@pytest.mark.parametrize(
    "verification", [{"timeout": "1m"}, {"memory": "4Gi"}, {"allowInputChanges": False}]
)
def test_what_a_verdict_does_not_depend_on_is_no_other_proof(verification):
    usual, other = (rules(verification=one).verification for one in ({}, verification))
    assert key_of("a" * 64, usual) == key_of("a" * 64, other)
