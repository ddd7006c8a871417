"""What a spec refers to and may not be there: Secrets of the detector's own namespace.

`observe` looks each of them up by name and reports what is missing, in the words of `missing`,
under the reference's path in `Observed.problems`. Nothing of another namespace can be named at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.stores import Place
from fraud_operator.plan.store_location import ca_source, credentials_secret
from fraud_scorer.artifact.plan import CA_FILE

STORE_KEYS = (
    ("accessKeyID", "AWS_ACCESS_KEY_ID"),
    ("secretAccessKey", "AWS_SECRET_ACCESS_KEY"),
)
"""What the Secret of an S3 store holds, each key in either spelling."""

GOOGLE_KEYS = (("key.json",),)
"""What that of a bucket at Google holds."""


REDIS_KEYS = (("host",),)
POSTGRES_KEYS = (("host",), ("dbname",), ("username", "user"), ("password",))
"""What the Secret of an external store holds: that of Postgres as CloudNativePG writes it."""
URI_KEY = "uri"
"""Where all of that may be instead."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A Secret that is to exist, and to hold at least one key of each group in `keys`, or the key
    `whole`, which stands for all of them."""

    path: str
    name: str
    keys: tuple[tuple[str, ...], ...] = ()
    whole: str = ""


def references(detector: FraudDetector) -> Iterator[SecretReference]:
    """Every Secret that the spec names, each with the path of the field that names it."""
    yield from _of_store("spec.model.source", detector.spec.model.source)
    if detector.spec.model.artifacts is not None:
        yield from _of_store("spec.model.artifacts", detector.spec.model.artifacts)
    if (backup := detector.spec.model.backup) is not None:
        yield from _of_store("spec.model.backup.destination", backup.destination)
    yield from _of_stores(detector)
    for index, secret in enumerate(detector.spec.scorer.image_pull_secrets or ()):
        yield SecretReference(f"spec.scorer.imagePullSecrets[{index}].name", secret.name)
    for index, variable in enumerate(detector.spec.scorer.extra_env or ()):
        if variable.value_from is not None:
            ref = variable.value_from.secret_key_ref
            yield SecretReference(
                f"spec.scorer.extraEnv[{index}].valueFrom.secretKeyRef", ref.name, ((ref.key,),)
            )


def _of_stores(detector: FraudDetector) -> Iterator[SecretReference]:
    redis, postgres, audit = detector.spec.redis, detector.spec.postgres, detector.spec.audit
    if redis is not None and redis.external is not None:
        path = "spec.redis.external.secret"
        yield SecretReference(path, redis.external.secret, REDIS_KEYS, whole=URI_KEY)
    if postgres is not None and postgres.external is not None:
        path = "spec.postgres.external.secret"
        yield SecretReference(path, postgres.external.secret, POSTGRES_KEYS, whole=URI_KEY)
    if audit is not None and audit.destination is not None:
        yield from _of_store("spec.audit.destination", audit.destination)


def _of_store(path: str, place: Place) -> Iterator[SecretReference]:
    kind, keys = ("s3", STORE_KEYS) if place.s3 is not None else ("gcs", GOOGLE_KEYS)
    if name := credentials_secret(place):
        yield SecretReference(f"{path}.{kind}.credentialsSecret", name, keys)
    authorities = ca_source(place)
    if authorities is not None and authorities[0] == "Secret":
        _, ca = authorities
        yield SecretReference(f"{path}.{kind}.caBundle.secret", ca.name, ((ca.key or CA_FILE,),))


def missing(
    reference: SecretReference, namespace: str, present: Collection[str] | None
) -> str | None:
    """What is missing and what to do; None where the reference resolves.

    `present` are the keys of the Secret's data, None where there is no such Secret.
    """
    if present is None:
        return (
            f"Secret {namespace}/{reference.name} does not exist:"
            f" create it, or change {reference.path}"
        )
    if reference.whole in present:
        return None
    for group in reference.keys:
        if not any(key in present for key in group):
            instead = f" (or {reference.whole} for all of it)" if reference.whole else ""
            return (
                f"Secret {namespace}/{reference.name} has no key {' or '.join(group)}{instead}:"
                f" add it, or change {reference.path}"
            )
    return None
