"""Where a detector's model versions are, where what is proven is kept, and who asks there."""

from __future__ import annotations

from dataclasses import dataclass

from fraud_operator.api import quantities
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.stores import Place
from fraud_operator.plan.children import management_name, scorer_name
from fraud_operator.plan.effective import DEFAULT_SYNC_INTERVAL
from fraud_operator.plan.store_location import (
    artifacts_of,
    ca_source,
    credentials_secret,
    location_of,
)
from fraud_operator.plan.store_location import source_of as place_of_source
from fraud_scorer.artifact.plan import CA_FILE, StoreLocation

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
GOOGLE_ANNOTATION = "iam.gke.io/gcp-service-account"


@dataclass(frozen=True, slots=True)
class Authorities:
    """The key of a ConfigMap or Secret with certificates that are trusted."""

    kind: str
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A store, and what of the namespace it takes to ask it."""

    location: StoreLocation
    secret: str = ""
    """Empty: the ServiceAccount's identity."""
    authorities: Authorities | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that a look depends on: detectors for which it is the same share their looks."""

    namespace: str
    versions: Asked
    artifacts: Asked
    interval: float
    """Seconds."""
    service_account: str = ""
    """Who asks where no Secret is named; empty where one is everywhere."""
    role_arn: str = ""
    google_account: str = ""

    @property
    def asks_a_volume(self) -> bool:
        """Whether a server in the cluster is asked, which the operator runs itself."""
        return any(one.location.volume is not None for one in (self.versions, self.artifacts))


def source_of(detector: FraudDetector) -> Source:
    """The source that `detector.spec.model` describes."""
    spec = detector.spec
    versions = _asked(detector, place_of_source(detector))
    artifacts = _asked(detector, artifacts_of(detector))
    interval = float(quantities.seconds(spec.model.sync_interval or DEFAULT_SYNC_INTERVAL))
    if versions.secret and artifacts.secret:
        return Source(detector.namespace, versions, artifacts, interval)
    annotations = spec.scorer.service_account_annotations or {}
    return Source(
        detector.namespace,
        versions,
        artifacts,
        interval,
        service_account=scorer_name(detector),
        role_arn=annotations.get(ROLE_ANNOTATION, ""),
        google_account=annotations.get(GOOGLE_ANNOTATION, ""),
    )


def wanted_versions(detector: FraudDetector) -> frozenset[str]:
    """Names that matter to the detector, however many are newer: what is pinned, what serves."""
    model = detector.status.get("model") or {}
    names = (detector.spec.model.version, model.get("activeVersion"))
    return frozenset(name for name in names if name)


def _asked(detector: FraudDetector, place: Place) -> Asked:
    made = management_name(detector) if place.pvc is not None else ""
    secret = made or credentials_secret(place) or ""
    ca = ca_source(place)
    authorities = Authorities(ca[0], ca[1].name, ca[1].key or CA_FILE) if ca else None
    return Asked(location_of(detector, place), secret, authorities)
