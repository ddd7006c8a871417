"""What a plan takes the model store to hold, and what it says of how it knows.

The store itself is asked where that is possible: with the keys of the detector's Secret, which the
user must be allowed to read, from where the user is. Where it is not, and the question of which
version to serve is the same as before, the operator's last answer to it stands. Otherwise a
placeholder stands for the version, and whatever depends on it is shown as not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector, InvalidSpec
from fraud_operator.models.look import Looker
from fraud_operator.models.source import Identities, source_of
from fraud_operator.models.stores import open_s3
from fraud_operator.observe.secrets import Secrets
from fraud_operator.plan.effective import effective
from fraud_operator.plan.model_plan import recorded_plans
from fraud_operator.plan.types import Observed, StoreVersion, StoreView
from fraud_operator.runtime.kube import ApiError, Kube
from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.manifest import Engine, Feature, FileRef, Framework, Manifest
from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.store import CredentialsMissing, StoreError

UNKNOWN = "(known once the model store is read)"
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Look:
    """What the store holds, as far as is known."""

    view: StoreView
    assumed: list[str] = field(default_factory=list)
    placeholder: bool = False
    """Whether the version is a stand-in."""


class ReadableSecrets(Secrets):
    """Secrets as far as the user may read them, and those that are about to be created.

    One that may not be read is taken to be as it should be, and is named in `unread`.
    """

    def __init__(self, kube: Kube, given: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
        super().__init__(kube)
        self._given = given
        self.unread: list[str] = []

    async def keys(self, namespace: str, name: str) -> frozenset[str] | None:
        if given := self._given.get((namespace, name)):
            return frozenset(given)
        try:
            return await super().keys(namespace, name)
        except ApiError as error:
            if error.status != 403:
                raise
            self.unread.append(f"{namespace}/{name}")
            return _EveryKey()

    async def values(self, namespace: str, name: str) -> dict[str, str] | None:
        if given := self._given.get((namespace, name)):
            return dict(given)
        return await super().values(namespace, name)


class _EveryKey(frozenset[str]):
    """The keys of a Secret that nobody could read: whatever is asked for."""

    def __contains__(self, key: object) -> bool:
        return True


async def look_at_store(
    detector: FraudDetector,
    live: Mapping[str, Any] | None,
    observed: Observed,
    kube: Kube,
    secrets: Secrets,
    *,
    skip: bool,
) -> Look:
    """What is known of the store of `detector`, which is `live` in the cluster now.

    With `skip` the store is not asked. Raises ApiError.
    """
    if detector.spec.suspend:
        return Look(StoreView())
    view, why_not = await _asked(detector, kube, secrets, skip=skip)
    if view is not None:
        return Look(view)
    if live is not None and _same_question(detector, live, observed):
        return _as_reported(live, why_not)
    wanted = effective(detector.spec).version
    return Look(
        StoreView((_placeholder(wanted or "newest"),), listed=True),
        [
            f"The model store was not read ({why_not}). Assumed: it holds"
            + (f" version {wanted}, and it is good." if wanted else " a version that is good.")
            + f" What depends on it is shown as {UNKNOWN}."
        ],
        placeholder=True,
    )


async def _asked(
    detector: FraudDetector, kube: Kube, secrets: Secrets, *, skip: bool
) -> tuple[StoreView | None, str]:
    """What the operator is going to see, or why that cannot be known from here."""
    source = source_of(detector)
    try:
        credentials = await Identities(kube, secrets).of(source)
    except CredentialsMissing as error:
        return StoreView((), error.reason, str(error), listed=True), ""
    except ApiError as error:
        if error.status != 403:
            raise
        return None, f"Secret {source.namespace}/{source.secret}: {error.message}"
    if not isinstance(credentials, Keys):
        # It takes a token of the ServiceAccount, and to make one is no dry run.
        return None, "only the detector's own ServiceAccount may ask it"
    if skip:
        return None, "--skip-store"
    try:
        store = await asyncio.to_thread(open_s3, source.location, credentials)
        return StoreView(await asyncio.to_thread(Looker().look, store), listed=True), ""
    except StoreError as error:
        # From here. To the operator, inside the cluster, the store may well give another answer.
        return None, f"{error.reason}: {error}"


def _same_question(detector: FraudDetector, live: Mapping[str, Any], observed: Observed) -> bool:
    """Whether the operator has already answered which version to serve, and with what thresholds,
    for a spec that asks the same."""
    try:
        before = FraudDetector.parse(live).spec
    except InvalidSpec:
        return False
    now = detector.spec
    if now.model.source != before.model.source:
        return False
    if now.scoring.thresholds is None and before.scoring.thresholds is not None:
        return False
    pinned, pinned_before = effective(now).version, effective(before).version
    recorded = recorded_plans(detector, observed.children).values()
    return pinned == pinned_before or pinned in {plan.active.version for plan in recorded}


def _as_reported(live: Mapping[str, Any], why_not: str) -> Look:
    """The operator's last answer, which is in the status and in the model plan."""
    status = live.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    reachable = conditions.get("ModelStoreReachable", {})
    version = (status.get("model") or {}).get("activeVersion")
    said = f"The model store was not read ({why_not})."
    if reachable.get("status") == "False":
        view = StoreView((), reachable["reason"], reachable["message"], listed=True)
        said += f" The operator cannot read it either: {reachable['reason']}."
    elif not version and conditions.get("ModelVerified", {}).get("reason") == "NoVersion":
        view = StoreView(listed=True)
        said += " Assumed: there is still no version in it, as the operator last found."
    else:
        view = StoreView()
        said += (
            f" Assumed: the detector stays at version {version}, as the operator last decided."
            if version
            else " Assumed: what pods are told to serve stays as the operator last decided."
        )
    return Look(view, [said])


def is_placeholder(plan: ModelPlan) -> bool:
    """Whether the model plan is of a version that only stands in."""
    return plan.active.digest == f"sha256:{_NO_DIGEST}"


def _placeholder(version: str) -> StoreVersion:
    manifest = Manifest(
        schema_version=1,
        model="unknown",
        version=version,
        created_at=datetime(1970, 1, 1, tzinfo=UTC),
        framework=Framework(name="scikit-learn", version="0", python="0"),
        engine=Engine(format="fdm", version=1),
        files=(FileRef(path="unknown", sha256=_NO_DIGEST, size=1, role="model"),),
        features=(Feature(name="unknown", type="number"),),
        golden=(),
    )
    return StoreVersion(version, manifest, _NO_DIGEST)
