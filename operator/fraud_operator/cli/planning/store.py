"""What a plan takes the model store to hold, and what it says of how it knows.

The store itself is asked where that is possible: with the keys of the detector's Secret, which the
user must be allowed to read, from where the user is. Where it is not, and the question of which
version to serve is the same as before, the operator's last answer to it stands. Otherwise a
placeholder stands for the version, and whatever depends on it is shown as not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector, InvalidSpec
from fraud_operator.models.clients import open_briefly
from fraud_operator.models.identities import Access, Exchanges, Identities
from fraud_operator.models.look import Looker
from fraud_operator.models.quarantine import Quarantine
from fraud_operator.models.source import Asked, Source, source_of, wanted_versions
from fraud_operator.observe.management import Management, Tokens
from fraud_operator.observe.secrets import Secrets
from fraud_operator.plan.children import management_name
from fraud_operator.plan.management_token import management_token
from fraud_operator.plan.model_plan import Memory, memory
from fraud_operator.plan.types import Observed, StoreVersion, StoreView
from fraud_operator.runtime.kube import ApiError, Kube
from fraud_scorer.artifact.credentials import GoogleKey, Keys
from fraud_scorer.artifact.manifest import Engine, Feature, FileRef, Framework, Manifest
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


class ReadableTokens(Tokens):
    """The token's Secret as far as the user may read it: what matters is whether there is one."""

    def __init__(self, kube: Kube) -> None:
        super().__init__(kube)
        self.unread: list[str] = []

    async def of(self, detector: FraudDetector, *, doubted: bool = False) -> Management:
        try:
            return await super().of(detector, doubted=doubted)
        except ApiError as error:
            if error.status != 403:
                raise
        if not detector.status.get("conditions"):
            return Management()  # a new detector has none
        self.unread.append(f"{detector.namespace}/{management_name(detector)}")
        return Management(management_token(detector), token="(not readable)")  # noqa: S106


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
    wanted = detector.spec.model.version
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
    if source.asks_a_volume:
        return None, "only what runs in the cluster can ask for its volume"
    # The operator may well be known to Google: its settings are not known here.
    identities = Identities(kube, secrets, exchanges=Exchanges(google_provider="the operator's"))
    access: dict[Asked, Access] = {}
    for asked in (source.versions, source.artifacts):
        try:
            access[asked] = await identities.of(source, asked)
        except CredentialsMissing as error:
            return StoreView((), error.reason, str(error), listed=True), ""
        except ApiError as error:
            if error.status != 403:
                raise
            return None, f"Secret {source.namespace}/{asked.secret}: {error.message}"
        if not isinstance(access[asked].credentials, Keys | GoogleKey):
            # It takes a token of the ServiceAccount, and to make one is no dry run.
            return None, "only the detector's own ServiceAccount may ask it"
    if skip:
        return None, "--skip-store"
    try:
        return await asyncio.to_thread(_seen, source, access, wanted_versions(detector)), ""
    except StoreError as error:
        # From here. To the operator, inside the cluster, the store may well give another answer.
        return None, f"{error.reason}: {error}"


def _seen(source: Source, access: Mapping[Asked, Access], wanted: Set[str]) -> StoreView:
    """What two looks find: a version without a manifest takes two."""
    store = open_briefly(source.versions.location, access[source.versions])
    looker = Looker()
    looker.look(store, wanted)
    versions = looker.look(store, wanted)
    if source.artifacts != source.versions:
        store = open_briefly(source.artifacts.location, access[source.artifacts])
    return StoreView(versions, listed=True, ledger=Quarantine().read(store))


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
    pinned, pinned_before = now.model.version, before.model.version
    return pinned == pinned_before or pinned in _versions(memory(detector, observed.children))


def _versions(known: Memory) -> set[str]:
    """Those that were proven."""
    planned = known.plan.models if known.plan is not None else ()
    proofs = known.record.proofs if known.record is not None else ()
    return {one.version for one in planned} | {one.version for one in proofs}


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
