"""Everything that a plan may know about the cluster, gathered for one detector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.observe.backups import backup_runs
from fraud_operator.observe.management import DENIED, Management, Tokens
from fraud_operator.observe.requests import request_of
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.observe.verifications import verifications
from fraud_operator.plan.children import (
    BACKUP,
    NAME_LABEL,
    POSTGRES,
    REDIS,
    RETENTION,
    SCHEMA,
    SCORER,
    VERIFICATION,
    VOLUME,
    management_name,
)
from fraud_operator.plan.references import missing, references
from fraud_operator.plan.types import Manifested, Observed, PodState


class Scorers(Protocol):
    """Who hears what scorer pods say: `models.fleet.Fleet`."""

    def see(self, key: Key, pods: Iterable[Mapping[str, Any]]) -> Sequence[PodState]:
        """What is known of each of these pods."""
        ...


class Observer:
    """Reads the view, and the Secrets that the detector's spec names; asks what pods said."""

    def __init__(
        self, store: ObjectStore, secrets: Secrets, tokens: Tokens, scorers: Scorers
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._tokens = tokens
        self._scorers = scorers

    async def look(self, key: Key, detector: FraudDetector, obj: Mapping[str, Any]) -> Observed:
        """What there is of `detector`, which `obj` is. Raises ApiError where a Secret cannot be
        asked for."""
        problems: dict[str, str] = {}
        for reference in references(detector):
            present = await self._secrets.keys(detector.namespace, reference.name)
            problem = missing(reference, detector.namespace, present)
            if problem is not None:
                problems[reference.path] = problem
        children = self._store.children(key)
        by_purpose = _by_purpose(self._store.pods(key))
        pods = by_purpose[SCORER]
        states = self._scorers.see(key, pods)
        doubted = any(state.problem == DENIED for state in states) or any(map(is_waiting, pods))
        # Where nothing of a detector is there, neither is this; making it tells, should it be.
        management = await self._tokens.of(detector, doubted=doubted) if children else Management()
        if management.secret is not None:
            children["Secret", management_name(detector)] = management.secret
        return Observed(
            children=children,
            pods=pods,
            scorers=states,
            verifications=verifications(children, by_purpose[VERIFICATION], detector.uid),
            volumes=by_purpose[VOLUME],
            backups=backup_runs(by_purpose[BACKUP]),
            redis=by_purpose[REDIS],
            postgres=by_purpose[POSTGRES],
            migrations=by_purpose[SCHEMA],
            request=request_of(obj),
            token=management.token,
            problems={**problems, **_problems(management)},
        )


_OTHERS = {VERIFICATION, VOLUME, BACKUP, REDIS, POSTGRES, SCHEMA, RETENTION}


def is_waiting(pod: Manifested) -> bool:
    """Whether it has a node and still cannot start: a Secret of it may be missing."""
    status = pod["status"]
    return any(
        (one.get("state") or {}).get("waiting", {}).get("reason") == "ContainerCreating"
        for one in status.get("containerStatuses") or ()
    )


def _by_purpose(pods: Iterable[Manifested]) -> Mapping[str, list[Manifested]]:
    """A detector's pods, by what they are for."""
    found: dict[str, list[Manifested]] = defaultdict(list)
    for pod in pods:
        name = (pod["metadata"].get("labels") or {}).get(NAME_LABEL, "")
        found[name if name in _OTHERS else SCORER].append(pod)
    return found


def _problems(management: Management) -> dict[str, str]:
    return {"the management token": management.problem} if management.problem else {}
