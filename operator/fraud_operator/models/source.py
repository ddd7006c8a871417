"""Where a detector's model versions are, and who asks for them.

The store is asked with the keys of the detector's Secret, or as the detector's ServiceAccount:
a token of it (TokenRequest) is exchanged for the role that its annotation names. The operator has
no identity of its own towards a store, and nothing of its surroundings is ever tried.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass

from fraud_operator.api import quantities
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.observe.secrets import Secrets
from fraud_operator.plan.children import scorer_name
from fraud_operator.plan.effective import effective
from fraud_operator.runtime.kinds import SERVICE_ACCOUNT
from fraud_operator.runtime.kube import ApiError, Kube, WritesForbidden
from fraud_scorer.artifact.credentials import Credentials, WebIdentity, keys_from_mapping
from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.store import CredentialsMissing

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
_AUDIENCE = "sts.amazonaws.com"
_TOKEN_SECONDS = 3600
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that a look at a detector's store depends on; another value is another store."""

    namespace: str
    uid: str
    location: S3Location
    secret: str
    service_account: str
    role_arn: str
    interval: float
    """Seconds."""


def source_of(detector: FraudDetector) -> Source:
    """The source that `detector.spec.model` describes."""
    spec = detector.spec
    s3 = spec.model.source.s3
    assert s3 is not None, "the only kind of source"  # noqa: S101 - FraudDetector.parse checked
    annotations = spec.scorer.service_account_annotations or {}
    return Source(
        namespace=detector.namespace,
        uid=detector.uid,
        location=S3Location(
            bucket=s3.bucket,
            prefix=s3.prefix or "",
            region=s3.region or "",
            endpoint=s3.endpoint or "",
        ),
        secret=s3.credentials_secret or "",
        service_account=scorer_name(detector),
        role_arn=annotations.get(ROLE_ANNOTATION, ""),
        interval=float(quantities.seconds(effective(spec).sync_interval)),
    )


class Identities:
    """Gets the credentials of detectors. `sts_endpoint` is empty for AWS itself."""

    def __init__(self, kube: Kube, secrets: Secrets, *, sts_endpoint: str = "") -> None:
        self._kube = kube
        self._secrets = secrets
        self._sts_endpoint = sts_endpoint

    async def of(self, source: Source) -> Credentials:
        """Who is to ask. Raises CredentialsMissing, saying what to create, and ApiError."""
        if source.secret:
            where = f"Secret {source.namespace}/{source.secret}"
            values = await self._secrets.values(source.namespace, source.secret)
            if values is None:
                raise CredentialsMissing(
                    f"{where} does not exist: create it with the keys accessKeyID and"
                    " secretAccessKey"
                )
            return keys_from_mapping(values, where=where)
        if not source.role_arn:
            raise CredentialsMissing(
                "nobody to ask the model store as: set spec.model.source.s3.credentialsSecret, or"
                f" {ROLE_ANNOTATION} in spec.scorer.serviceAccountAnnotations"
            )
        return WebIdentity(source.role_arn, self._token_of(source), self._sts_endpoint)

    def _token_of(self, source: Source) -> Callable[[], str]:
        """A function for other threads that gives a new token of the ServiceAccount."""
        loop = asyncio.get_running_loop()

        def token() -> str:
            asking = asyncio.run_coroutine_threadsafe(self._request_token(source), loop)
            try:
                return asking.result(_PATIENCE_SECONDS)
            except (ApiError, WritesForbidden, concurrent.futures.TimeoutError) as error:
                asking.cancel()
                raise CredentialsMissing(
                    f"no token for ServiceAccount {source.namespace}/{source.service_account}:"
                    f" {error or 'no answer'}"
                ) from None

        return token

    async def _request_token(self, source: Source) -> str:
        answer = await self._kube.create(
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"audiences": [_AUDIENCE], "expirationSeconds": _TOKEN_SECONDS},
            },
            subresource_of=(SERVICE_ACCOUNT, source.namespace, source.service_account),
        )
        return str(answer["status"]["token"])
