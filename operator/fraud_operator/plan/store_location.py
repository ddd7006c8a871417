"""From what a spec says of a store to where that is: for pods, Jobs and the operator alike.

Versions are published in the *source*. What is proven of them, reports and the quarantine are kept
in the *artifacts*, which is the same place unless the source may only be read.
"""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.stores import KeyOf, Place
from fraud_operator.plan.children import management_name
from fraud_operator.plan.management_token import VOLUME_TOKEN_KEY
from fraud_scorer.artifact.plan import (
    CA_FILE,
    TOKEN_FILE,
    GCSLocation,
    S3Location,
    StoreLocation,
    VolumeLocation,
)

VOLUME_PORT = 8088
MODELS, ARTIFACTS, BACKUPS, RECORDS = "models", "artifacts", "model-backups", "record-archive"
"""What a volume is for, in the name of its server."""


def source_of(detector: FraudDetector) -> Place:
    """Where versions are published."""
    return detector.spec.model.source


def artifacts_of(detector: FraudDetector) -> Place:
    """Where proven bytes, reports and the quarantine are kept."""
    return detector.spec.model.artifacts or detector.spec.model.source


def location_of(detector: FraudDetector, place: Place) -> StoreLocation:
    """Where that is."""
    if place.s3 is not None:
        s3 = place.s3
        encryption = s3.server_side_encryption
        return StoreLocation(
            s3=S3Location(
                bucket=s3.bucket,
                prefix=s3.prefix or "",
                region=s3.region or "",
                endpoint=s3.endpoint or "",
                addressing=s3.addressing_style or "Auto",
                encryption=encryption.algorithm if encryption else "",
                kms_key=(encryption.kms_key_id if encryption else None) or "",
            )
        )
    if place.gcs is not None:
        gcs = place.gcs
        return StoreLocation(
            gcs=GCSLocation(bucket=gcs.bucket, prefix=gcs.prefix or "", endpoint=gcs.endpoint or "")
        )
    if place.pvc is None:
        raise AssertionError("a spec without a kind of store is refused when it is parsed")
    server = f"{detector.name}-{claims(detector)[place.pvc.claim_name]}"
    url = f"http://{server}.{detector.namespace}.svc:{VOLUME_PORT}"
    return StoreLocation(volume=VolumeLocation(url=url, prefix=place.pvc.path or ""))


def claims(detector: FraudDetector) -> dict[str, str]:
    """The claims of all volumes that the spec names, each with what its server is called after.

    A volume has one server, whatever it is used for: many can be mounted in one place only.
    """
    uses = {MODELS: source_of(detector), ARTIFACTS: artifacts_of(detector)}
    if (backup := detector.spec.model.backup) is not None:
        uses[BACKUPS] = backup.destination
    if (audit := detector.spec.audit) is not None and audit.destination is not None:
        uses[RECORDS] = audit.destination
    found: dict[str, str] = {}
    for use, place in uses.items():
        if place.pvc is not None:
            found.setdefault(place.pvc.claim_name, use)
    return found


def credentials_secret(place: Place) -> str | None:
    """The Secret that the spec names for whoever asks there; None: a cloud identity of the pods'
    ServiceAccount, or a volume, whose server's token the operator makes itself."""
    kind = place.s3 or place.gcs
    return kind.credentials_secret if kind is not None else None


def ca_source(place: Place) -> tuple[str, KeyOf] | None:
    """Kind and key of the ConfigMap or Secret with the authorities to be trusted; None: the public
    ones. Pods have it in the folder of the credentials, as `ca.crt`."""
    kind = place.s3 or place.gcs
    bundle = kind.ca_bundle if kind is not None else None
    if bundle is None:
        return None
    if bundle.config_map is not None:
        return "ConfigMap", bundle.config_map
    assert bundle.secret is not None, "exactly one is there"  # noqa: S101
    return "Secret", bundle.secret


def credentials_volume(
    name: str, detector: FraudDetector, place: Place
) -> dict[str, object] | None:
    """The volume `name` of a pod with all that it needs at `place`, as `open_mounted` reads it;
    None where that is nothing."""
    sources: list[dict[str, object]] = []
    if place.pvc is not None:
        items = [{"key": VOLUME_TOKEN_KEY, "path": TOKEN_FILE}]
        sources.append({"secret": {"name": management_name(detector), "items": items}})
    if secret := credentials_secret(place):
        sources.append({"secret": {"name": secret}})
    if ca := ca_source(place):
        kind, key = ca
        items = [{"key": key.key or CA_FILE, "path": CA_FILE}]
        field = "configMap" if kind == "ConfigMap" else "secret"
        sources.append({field: {"name": key.name, "items": items}})
    if not sources:
        return None
    return {"name": name, "projected": {"sources": sources}}
