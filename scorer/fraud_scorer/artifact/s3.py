"""A model store behind an S3 API (AWS, MinIO, versitygw, Ceph, ...).

Who asks is always said: no key is taken from the environment unless `AmbientIdentity` asks for it,
so that the operator cannot read a bucket as itself.
"""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleWithWebIdentityCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.answers import of_bucket
from fraud_scorer.artifact.credentials import AmbientIdentity, Keys, S3Credentials, WebIdentity
from fraud_scorer.artifact.manifest import versions_among
from fraud_scorer.artifact.plan import S3Location
from fraud_scorer.artifact.store import (
    AccessDenied,
    BucketMissing,
    CredentialsMissing,
    StoredFile,
    StoreError,
    StoreUnreachable,
    TooLarge,
    content_type,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ListObjectsV2OutputTypeDef

_RIGHTS = (
    "allow these credentials s3:ListBucket on the bucket and s3:GetObject below the prefix"
    " (to publish and to keep what is proven, s3:PutObject too), or give others"
)
_CHUNK = 1 << 20
_BUSY = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded"})
_UNKNOWN_KEYS = frozenset(
    {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "XAdminUserNotFound"}
)
"""Whatever the status beside it: the last one is versitygw's, which says 404."""
_DEFAULT_REGION = "us-east-1"
# The API descriptions are megabytes of JSON: one copy a process, not one a store.
_LOADER = create_loader()


class S3Store:
    """The versions below one prefix of one bucket. See `Store` for what the methods promise."""

    def __init__(
        self,
        location: S3Location,
        credentials: S3Credentials,
        *,
        ca: Path | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        attempts: int = 2,
    ) -> None:
        """Timeouts are seconds, for each of `attempts`. `ca` is a file of certificates in PEM,
        which alone are trusted. Raises StoreError on a bad endpoint."""
        self._point_at(location)
        config = Config(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": _addressing(location)},
            # S3 look-alikes know neither the newer checksums nor trailers; the manifest has sha256.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        try:
            self._client = _client(location, credentials, config, ca)
        except (ValueError, BotoCoreError) as error:
            raise StoreUnreachable(
                f"the endpoint {location.endpoint!r} or the region {location.region!r} cannot be"
                f" used: {error}; the endpoint is a URL such as https://minio.example:9000"
            ) from None

    def __repr__(self) -> str:
        return f"<S3Store {self._name}>"

    def at(self, location: S3Location) -> S3Store:
        """Another bucket or prefix of the same server, by the same client: making one costs 17 ms
        and half a megabyte. Endpoint, region and addressing must be the same."""
        other = copy.copy(self)
        other._point_at(location)
        return other

    def _point_at(self, location: S3Location) -> None:
        self.location = location
        self._prefix = layout.below(location.prefix)
        self._name = f"s3://{location.bucket}/{self._prefix}"
        self._endpoint = location.endpoint or f"of AWS in {location.region or _DEFAULT_REGION}"
        self._answers = of_bucket(self._name, self._endpoint, "an S3 API")
        self._encryption: dict[str, Any] = {}
        if location.encryption:
            self._encryption["ServerSideEncryption"] = location.encryption
        if location.kms_key:
            self._encryption["SSEKMSKeyId"] = location.kms_key

    def list_versions(self) -> list[str]:
        names = []
        for page in self._pages(self._name, Prefix=self._prefix, Delimiter="/"):
            for folder in page.get("CommonPrefixes", []):
                names.append(folder["Prefix"][len(self._prefix) : -1])
        return versions_among(names)

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        for page in self._pages(self._name + prefix, Prefix=self._prefix + prefix):
            for found in page.get("Contents", []):
                path = found["Key"][len(self._prefix) :]
                if path.endswith("/"):
                    continue  # what consoles call a folder
                yield StoredFile(
                    path=path,
                    size=found["Size"],
                    etag=found["ETag"],
                    modified=found["LastModified"],
                )

    def _pages(self, what: str, **query: Any) -> Iterator[ListObjectsV2OutputTypeDef]:
        with self._explained("list", what):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.location.bucket, **query
            )
            for page in pages:
                if "Name" not in page:  # a portal or a proxy that says 200 to everything
                    raise self._answers.somebody_else()
                yield page

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        condition: dict[str, Any] = {"IfNoneMatch": unless} if unless else {}
        with self._explained("read", path):
            try:
                answer = self._get(path, **condition)
            except ClientError as error:
                if _status(error) == 304:
                    return None
                raise
            size = answer["ContentLength"]
            with closing(answer["Body"]) as body:
                if size > limit:
                    raise TooLarge(file=path, limit=limit)
                data = body.read(size)
        if len(data) != size:  # the SDK notices only where all of a body is asked for
            raise self._answers.cut_short(len(data), size, path)
        return data, answer["ETag"]

    def open(self, path: str) -> Iterator[bytes]:
        with self._explained("read", path):
            body = self._get(path)["Body"]
            try:
                yield from body.iter_chunks(_CHUNK)
            finally:
                body.close()

    def create(self, path: str, source: Path | bytes) -> None:
        self._put(path, source, IfNoneMatch="*")

    def keeps(self) -> bool:
        """Whether the bucket has Object Lock, so that `create_kept` is possible."""
        with self._explained("ask for the Object Lock of", self._name):
            try:
                answer = self._client.get_object_lock_configuration(Bucket=self.location.bucket)
            except ClientError as error:
                if _status(error) in (400, 404, 405, 501):  # no lock, or a server that knows none
                    return False
                raise
        return answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"

    def create_kept(self, path: str, source: bytes, until: datetime) -> None:
        """Write one that is not there, and that nobody is to delete or replace before then; who
        has the right to bypass governance may."""
        md5 = base64.b64encode(hashlib.md5(source, usedforsecurity=False).digest()).decode()
        self._put(
            path, source, IfNoneMatch="*", ContentMD5=md5, ObjectLockMode="GOVERNANCE",
            ObjectLockRetainUntilDate=until,
        )  # fmt: skip

    def write(self, path: str, source: Path | bytes) -> None:
        self._put(path, source)

    def delete(self, path: str) -> None:
        with self._explained("delete", path):
            self._client.delete_object(**self._key(path))

    def _put(self, path: str, source: Path | bytes, **condition: Any) -> None:
        how = {"ContentType": content_type(path), **self._encryption, **condition}
        with self._explained("write", path):
            if isinstance(source, bytes):
                self._client.put_object(**self._key(path), Body=source, **how)
                return
            with source.open("rb") as file:
                self._client.put_object(**self._key(path), Body=file, **how)

    def _get(self, path: str, **condition: Any) -> GetObjectOutputTypeDef:
        answer = self._client.get_object(**self._key(path), **condition)
        if "ETag" not in answer:  # whoever says 200 here has no say about what was published
            raise self._answers.somebody_else()
        return answer

    def _key(self, path: str) -> dict[str, Any]:
        return {"Bucket": self.location.bucket, "Key": self._prefix + path}

    @contextmanager
    def _explained(self, action: str, path: str) -> Iterator[None]:
        """Turn what the SDK raises into the store's errors, with what to do next."""
        try:
            yield
        except ClientError as error:
            raise self._explain(error, action, path) from None
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
            raise CredentialsMissing(
                f"nothing to authenticate with at {self._name}: {error}; name a Secret with"
                " accessKeyID and secretAccessKey, or give the ServiceAccount a cloud identity"
            ) from None
        except ParamValidationError as error:
            raise BucketMissing(f"{self._name} cannot exist: {error}; correct the bucket") from None
        except ResponseParserError:
            raise self._answers.somebody_else() from None
        except SSLError as error:
            raise self._answers.untrusted(error) from None
        except (BotoCoreError, HTTPError, OSError) as error:
            raise self._answers.silent(error) from None

    def _explain(self, error: ClientError, action: str, path: str) -> StoreError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = _status(error)
        if code in ("NoSuchBucket", "PermanentRedirect", "IllegalLocationConstraintException"):
            advice = "create it, or correct bucket, region and endpoint"
            return self._answers.no_bucket(self.location.bucket, advice, said=code)
        if status in (401, 403) or code in _UNKNOWN_KEYS:
            return self._answers.denied(action, code or str(status), _RIGHTS)
        if code == "NoSuchKey":  # 404 alone can be anybody's
            return self._answers.missing(path)
        if status == 412:
            return self._answers.taken(path)
        return self._answers.answered(action, path, f"{status} {code}")


def _addressing(location: S3Location) -> Literal["auto", "path", "virtual"]:
    if location.addressing == "Auto":
        return "path" if location.endpoint else "auto"
    return "path" if location.addressing == "Path" else "virtual"


def _client(
    location: S3Location, credentials: S3Credentials, config: Config, ca: Path | None
) -> S3Client:
    core = botocore.session.get_session()
    core.register_component("data_loader", _LOADER)
    if not isinstance(credentials, AmbientIdentity):
        core.set_config_variable("ignore_configured_endpoint_urls", True)
    keys: dict[str, str] = {}
    if isinstance(credentials, Keys):
        keys = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
        }
        if credentials.session_token:
            keys["aws_session_token"] = credentials.session_token
    elif isinstance(credentials, WebIdentity):
        core.register_component(
            "credential_provider", _Assumed(core, location, credentials, config)
        )
    region = location.region or None
    if region is None and not isinstance(credentials, AmbientIdentity):
        region = _DEFAULT_REGION
    session = boto3.session.Session(botocore_session=core, region_name=region, **keys)
    return session.client(
        "s3",
        region_name=session.region_name or _DEFAULT_REGION,
        endpoint_url=location.endpoint or None,
        verify=str(ca) if ca else None,
        config=config,
    )


class _Assumed:
    """The SDK's only source of credentials where a role is assumed by web identity."""

    def __init__(
        self,
        core: botocore.session.Session,
        location: S3Location,
        identity: WebIdentity,
        patience: Config,
    ) -> None:
        self._core, self._location, self._identity = core, location, identity
        self._patience = patience

    def load_credentials(self) -> DeferredRefreshableCredentials:
        """Keys that are fetched at first use, and again before they expire."""
        fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
            client_creator=self._sts,
            web_identity_token_loader=self._identity.token,
            role_arn=self._identity.role_arn,
            extra_args={"RoleSessionName": "fraudops"},
        )

        def fetch() -> Any:
            with self._explained():
                return fetcher.fetch_credentials()

        return DeferredRefreshableCredentials(
            refresh_using=fetch, method="assume-role-with-web-identity"
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say that it was the exchange that failed: no right to the bucket would mend that."""
        role = self._identity.role_arn
        try:
            yield
        except ParamValidationError:
            raise CredentialsMissing(
                f"{role!r} is no role: correct its ARN, which is like"
                " arn:aws:iam::123456789012:role/models"
            ) from None
        except ClientError as error:
            said = error.response.get("Error", {})
            where = f"{self._identity.sts_endpoint or 'STS of AWS'} did not exchange the token for"
            why = f"the role {role} ({said.get('Code', '')}: {said.get('Message', '')})"
            if _status(error) >= 500 or said.get("Code") in _BUSY:
                raise StoreUnreachable(f"{where} {why}: it is tried again") from None
            raise AccessDenied(
                f"{where} {why}: correct the role's ARN, or let its trust policy name this"
                " ServiceAccount and the cluster's issuer"
            ) from None

    def _sts(self, service: str, config: Config) -> Any:
        return self._core.create_client(
            service,
            region_name=self._location.region or _DEFAULT_REGION,
            endpoint_url=self._identity.sts_endpoint or None,
            config=self._patience.merge(config),  # else a minute's silence, five times over
        )


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
