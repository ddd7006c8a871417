"""Everything that a plan may know about the cluster, gathered for one detector."""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.observe.refusals import refusals
from fraud_operator.observe.secrets import Secrets
from fraud_operator.observe.store import Key, ObjectStore
from fraud_operator.plan.references import missing, references
from fraud_operator.plan.types import Observed


class Observer:
    """Reads the view, and the Secrets that the detector's spec names."""

    def __init__(self, store: ObjectStore, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets

    async def look(self, key: Key, detector: FraudDetector) -> Observed:
        """What there is of `detector`. Raises ApiError where a Secret cannot be asked for."""
        problems: dict[str, str] = {}
        for reference in references(detector):
            present = await self._secrets.keys(detector.namespace, reference.name)
            problem = missing(reference, detector.namespace, present)
            if problem is not None:
                problems[reference.path] = problem
        pods = self._store.pods(key)
        return Observed(
            children=self._store.children(key),
            pods=pods,
            refusals=refusals(pods),
            problems=problems,
        )
