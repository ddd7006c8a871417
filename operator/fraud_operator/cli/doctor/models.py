"""A detector's production checklist, as far as its models go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fraud_operator.cli.doctor.check import Check, Finding, fail, ok, skip, warn
from fraud_operator.cli.doctor.facts import DetectorFacts
from fraud_operator.models.source import GOOGLE_ANNOTATION, ROLE_ANNOTATION

_IDENTITIES = {"s3": ROLE_ANNOTATION, "gcs": GOOGLE_ANNOTATION}


def verified(facts: DetectorFacts) -> Finding:
    """The wanted version is the one that serves, and the store can be read."""
    for type_ in ("ModelVerified", "ModelStoreReachable"):
        condition = facts.condition(type_)
        if condition.get("status") == "False":
            return warn(
                f"{type_}: {condition['reason']}: {condition['message']}",
                "do what the message says; what served before goes on serving",
            )
    return ok("the wanted version is good, and the store can be read")


def way_back(facts: DetectorFacts) -> Finding:
    """A bad version can be left: it is pinned, or there is one to go back to."""
    known = facts.status.get("model") or {}
    if good := known.get("lastKnownGood"):
        return ok(f"version {good['version']} is there to go back to")
    if pinned := _model(facts).get("version"):
        return ok(f"pinned to version {pinned}")
    if instead := (facts.spec.get("scoring") or {}).get("whenUnavailable"):
        return ok(f"without a model, transactions are answered with {instead}")
    return warn(
        "the newest version is followed, and there is none to go back to",
        "publish a second version, pin one with spec.model.version, or say with"
        " spec.scoring.whenUnavailable what to answer without a model",
    )


def rollout(facts: DetectorFacts) -> Finding:
    """A new version is tried on a part of the traffic first."""
    strategy = (_model(facts).get("rollout") or {}).get("strategy") or "Immediate"
    if strategy == "Immediate":
        return warn(
            "a new version that is proven answers everything at once",
            "set spec.model.rollout.strategy to Canary or Shadow",
        )
    return ok(f"a new version comes by {strategy}")


def signed(facts: DetectorFacts) -> Finding:
    """Only who holds the key can publish."""
    verification = _model(facts).get("verification") or {}
    if verification.get("signature"):
        return ok("versions must be signed")
    return warn(
        "whoever can write to the store can publish a version",
        "sign versions, and set spec.model.verification.signature",
    )


def backup(facts: DetectorFacts) -> Finding:
    """Proven models are in a second place, and were read back there."""
    if not _model(facts).get("backup"):
        return warn(
            "models are in one place only", "set spec.model.backup.destination to another store"
        )
    condition = facts.condition("ModelBackedUp")
    if condition.get("status") == "True":
        return ok(str(condition["message"]))
    said = f"{condition.get('reason')}: {condition.get('message')}"
    look = f"kubectl -n {facts.key.namespace} get cronjobs,jobs shows the runs"
    return fail(said, look) if condition.get("status") == "False" else warn(said, look)


def credentials(facts: DetectorFacts) -> Finding:
    """No keys that live for ever."""
    roles: list[str] = []
    for path, kind, place in _places(facts):
        if secret := place.get("credentialsSecret"):
            return warn(
                f"Secret {secret} holds keys that stay valid until somebody withdraws them",
                f"use an identity of the cloud ({_IDENTITIES[kind]} in"
                " spec.scorer.serviceAccountAnnotations); where there is none, let the keys only"
                " list and read below the prefix, and rotate them",
            )
        if kind not in _IDENTITIES:
            continue
        role = _annotations(facts).get(_IDENTITIES[kind])
        if not role:
            return fail(
                f"nobody may ask the store of {path}",
                f"set {path}.{kind}.credentialsSecret, or"
                f" {_IDENTITIES[kind]} in spec.scorer.serviceAccountAnnotations",
            )
        roles.append(role)
    if not roles:
        return skip("a volume has no keys", "nothing is to be done")
    return ok(f"short-lived credentials of {', '.join(dict.fromkeys(roles))}")


def _places(facts: DetectorFacts) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every store that the spec names: its path, its kind, and what is said of it."""
    model = _model(facts)
    named = (
        ("spec.model.source", model.get("source")),
        ("spec.model.artifacts", model.get("artifacts")),
        ("spec.model.backup.destination", (model.get("backup") or {}).get("destination")),
        ("spec.audit.destination", (facts.spec.get("audit") or {}).get("destination")),
    )
    for path, store in named:
        for kind, place in (store or {}).items():
            yield path, kind, place or {}


def _model(facts: DetectorFacts) -> Mapping[str, Any]:
    found: Mapping[str, Any] = facts.spec.get("model") or {}
    return found


def _annotations(facts: DetectorFacts) -> Mapping[str, str]:
    scorer = facts.spec.get("scorer") or {}
    found: Mapping[str, str] = scorer.get("serviceAccountAnnotations") or {}
    return found


CHECKS = (
    Check("detector.model", "Way back", way_back),
    Check("detector.verified", "Model", verified),
    Check("detector.rollout", "Roll-out", rollout),
    Check("detector.signed", "Signatures", signed),
    Check("detector.backup", "Model backup", backup),
    Check("detector.credentials", "Credentials", credentials),
)
