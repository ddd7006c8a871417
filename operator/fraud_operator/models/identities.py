"""Who asks a detector's stores: its Secret's keys, or its ServiceAccount.

A token of the ServiceAccount (TokenRequest) is exchanged for the AWS role or the Google service
account that its annotation names. The operator has no identity of its own towards a store, and
nothing of its surroundings is ever tried.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fraud_operator.models.source import (
    GOOGLE_ANNOTATION,
    ROLE_ANNOTATION,
    Asked,
    Authorities,
    Source,
)
from fraud_operator.observe.secrets import Secrets
from fraud_operator.plan.management_token import VOLUME_TOKEN_KEY
from fraud_operator.runtime.kinds import CONFIG_MAP, SERVICE_ACCOUNT
from fraud_operator.runtime.kube import ApiError, Kube, WritesForbidden
from fraud_scorer.artifact.credentials import (
    Credentials,
    GoogleWebIdentity,
    Token,
    WebIdentity,
    google_key_from_mapping,
    keys_from_mapping,
)
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.store import CredentialsMissing

_AWS_AUDIENCE = "sts.amazonaws.com"
_TOKEN_SECONDS = 3600
_PATIENCE_SECONDS = 20.0
_GKE = "identitynamespace:"


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Where a ServiceAccount's token is exchanged. Endpoints are empty for the clouds' own."""

    sts: str = ""
    google_sts: str = ""
    google_iam: str = ""
    google_provider: str = ""
    """Who Google knows the cluster's issuer as; empty: it does not."""


@dataclass(frozen=True, slots=True)
class Access:
    """What it takes to ask a store. `ca` are certificates in PEM that alone are trusted."""

    credentials: Credentials
    ca: Path | None = None


class Identities:
    """Gets the credentials of detectors."""

    def __init__(self, kube: Kube, secrets: Secrets, *, exchanges: Exchanges | None = None) -> None:
        self._kube = kube
        self._secrets = secrets
        self._exchanges = exchanges or Exchanges()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def of(self, source: Source, asked: Asked) -> Access:
        """How `asked`, a store of `source`, is asked. Raises CredentialsMissing, saying what to
        create, and ApiError."""
        ca = await self._ca(source.namespace, asked.authorities) if asked.authorities else None
        if asked.secret:
            return Access(await self._of_secret(source.namespace, asked), ca)
        return Access(self._of_service_account(source, asked), ca)

    async def _of_secret(self, namespace: str, asked: Asked) -> Credentials:
        where = f"Secret {namespace}/{asked.secret}"
        values = await self._secrets.values(namespace, asked.secret)
        if asked.location.s3 is not None:
            keys = "the keys accessKeyID and secretAccessKey"
            return keys_from_mapping(_there(values, where, keys), where=where)
        if asked.location.gcs is not None:
            return google_key_from_mapping(_there(values, where, "the key key.json"), where=where)
        text = (values or {}).get(VOLUME_TOKEN_KEY, "").strip()
        if not text:
            raise CredentialsMissing(
                f"{where} is not there, or has no key {VOLUME_TOKEN_KEY} with text in it: where it"
                " is there, delete it, and the operator makes a new one"
            )
        return Token(text)

    def _of_service_account(self, source: Source, asked: Asked) -> Credentials:
        given = self._exchanges
        if asked.location.gcs is not None:
            if not source.google_account:
                raise _nobody("gcs", GOOGLE_ANNOTATION)
            if not given.google_provider:
                raise CredentialsMissing(
                    f"no token of ServiceAccount {source.namespace}/{source.service_account} can be"
                    " exchanged at Google, who does not know this cluster: start the operator with"
                    " --google-provider, or set credentialsSecret"
                )
            return GoogleWebIdentity(
                source.google_account,
                given.google_provider,
                self._token_of(source, _google_audience(given.google_provider)),
                given.google_sts,
                given.google_iam,
            )
        if not source.role_arn:
            raise _nobody("s3", ROLE_ANNOTATION)
        return WebIdentity(source.role_arn, self._token_of(source, _AWS_AUDIENCE), given.sts)

    def _token_of(self, source: Source, audience: str) -> Callable[[], str]:
        """A function for other threads that gives a new token of the ServiceAccount."""
        loop = asyncio.get_running_loop()

        def token() -> str:
            asking = asyncio.run_coroutine_threadsafe(self._request_token(source, audience), loop)
            try:
                return asking.result(_PATIENCE_SECONDS)
            except (ApiError, WritesForbidden, concurrent.futures.TimeoutError) as error:
                asking.cancel()
                raise CredentialsMissing(
                    f"no token for ServiceAccount {source.namespace}/{source.service_account}:"
                    f" {error or 'no answer'}"
                ) from None

        return token

    async def _request_token(self, source: Source, audience: str) -> str:
        answer = await self._kube.create(
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"audiences": [audience], "expirationSeconds": _TOKEN_SECONDS},
            },
            subresource_of=(SERVICE_ACCOUNT, source.namespace, source.service_account),
        )
        return str(answer["status"]["token"])

    async def _ca(self, namespace: str, authorities: Authorities) -> Path:
        """The certificates as a file: SDKs take nothing else."""
        where = f"{authorities.kind} {namespace}/{authorities.name}"
        if authorities.kind == "Secret":
            values = await self._secrets.values(namespace, authorities.name)
        else:
            found = await self._kube.get(CONFIG_MAP, namespace, authorities.name)
            values = None if found is None else dict(found.get("data") or {})
        text = _there(values, where, f"the key {authorities.key}").get(authorities.key, "")
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise CredentialsMissing(
                f"{where} has no certificates in PEM under {authorities.key}: put them there, or"
                " correct caBundle"
            )
        return self._file_of(text)

    def _file_of(self, certificates: str) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="authorities-")
        path = Path(self._folder.name, f"{sha256_hex(certificates.encode())[:32]}.crt")
        if not path.exists():
            path.write_text(certificates, encoding="utf-8")
        return path


def _there(values: Mapping[str, str] | None, where: str, keys: str) -> Mapping[str, str]:
    if values is None:
        raise CredentialsMissing(f"{where} does not exist: create it with {keys}")
    return values


def _nobody(kind: str, annotation: str) -> CredentialsMissing:
    return CredentialsMissing(
        f"nobody to ask the model store as: set {kind}.credentialsSecret, or {annotation} in"
        " spec.scorer.serviceAccountAnnotations"
    )


def _google_audience(provider: str) -> str:
    """Whom the token must be for. GKE's own provider is identitynamespace:POOL:CLUSTER, others are
    //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/ID."""
    if provider.startswith(_GKE):
        return provider.removeprefix(_GKE).partition(":")[0]
    return f"https:{provider}" if provider.startswith("//") else provider
