"""What a spec refers to and may not be there: Secrets of the detector's own namespace.

`observe` looks each of them up by name and reports what is missing, in the words of `missing`,
under the reference's path in `Observed.problems`. Nothing of another namespace can be named at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from fraud_operator.api.frauddetector import FraudDetector

STORE_KEYS = (
    ("accessKeyID", "AWS_ACCESS_KEY_ID"),
    ("secretAccessKey", "AWS_SECRET_ACCESS_KEY"),
)
"""What a model store's Secret holds, each key in either spelling."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A Secret that is to exist, and to hold at least one key of each group in `keys`."""

    path: str
    name: str
    keys: tuple[tuple[str, ...], ...] = ()


def references(detector: FraudDetector) -> Iterator[SecretReference]:
    """Every Secret that the spec names, each with the path of the field that names it."""
    s3 = detector.spec.model.source.s3
    if s3 is not None and s3.credentials_secret is not None:
        yield SecretReference(
            "spec.model.source.s3.credentialsSecret", s3.credentials_secret, STORE_KEYS
        )
    for index, secret in enumerate(detector.spec.scorer.image_pull_secrets or ()):
        yield SecretReference(f"spec.scorer.imagePullSecrets[{index}].name", secret.name)
    for index, variable in enumerate(detector.spec.scorer.extra_env or ()):
        if variable.value_from is not None:
            ref = variable.value_from.secret_key_ref
            yield SecretReference(
                f"spec.scorer.extraEnv[{index}].valueFrom.secretKeyRef", ref.name, ((ref.key,),)
            )


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
    for group in reference.keys:
        if not any(key in present for key in group):
            return (
                f"Secret {namespace}/{reference.name} has no key {' or '.join(group)}:"
                f" add it, or change {reference.path}"
            )
    return None
