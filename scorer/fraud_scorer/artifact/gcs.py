"""A model store in Google Cloud Storage, or behind what speaks its JSON API.

Who asks is always said, as for S3: nothing of the surroundings is tried unless `AmbientIdentity`
asks for it. An etag is an object's generation, which Google counts up whenever it is written.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    NotFound,
    PreconditionFailed,
    RetryError,
    TooManyRequests,
    Unauthorized,
)
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.answers import of_bucket
from fraud_scorer.artifact.credentials import GCSCredentials
from fraud_scorer.artifact.google_identity import explained, google_credentials
from fraud_scorer.artifact.manifest import versions_among
from fraud_scorer.artifact.plan import GCSLocation
from fraud_scorer.artifact.store import (
    StoredFile,
    StoreError,
    StoreUnreachable,
    TooLarge,
    content_type,
)

_GOOGLE = "https://storage.googleapis.com"
_CHUNK = 8 << 20
_RIGHTS = (
    "allow this service account storage.objects.list and storage.objects.get in the bucket, as"
    " roles/storage.objectViewer does (to publish and to keep what is proven,"
    " storage.objects.create and delete too: roles/storage.objectUser), or give another"
)
# Or the client asks for the bucket's own metadata, in threads of its own, to name it in traces.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")


class _Trusting(HTTPAdapter):
    """Trusts these certificates alone; a session's own `verify` gives way to REQUESTS_CA_BUNDLE."""

    def __init__(self, ca: Path) -> None:
        super().__init__()
        self._ca = str(ca)

    def send(
        self, request: requests.PreparedRequest, *more: Any, **others: Any
    ) -> requests.Response:
        return super().send(request, *more, **{**others, "verify": self._ca})


class GCSStore:
    """The versions below one prefix of one bucket. See `Store` for what the methods promise."""

    def __init__(
        self,
        location: GCSLocation,
        credentials: GCSCredentials,
        *,
        ca: Path | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        attempts: int = 2,
    ) -> None:
        """Timeouts are seconds. After the first attempt, others are made for as long as `attempts`
        could take. `ca` is a file of certificates in PEM, which alone are trusted. Raises
        CredentialsMissing."""
        endpoint = location.endpoint.rstrip("/") or _GOOGLE
        patience = (connect_timeout, read_timeout)
        with explained():
            session = AuthorizedSession(google_credentials(credentials))
        if ca is not None:
            session.mount(endpoint, _Trusting(ca))
        self._client = storage.Client(
            project="-",  # of no use to us, but looked for in the surroundings where it is not said
            credentials=session.credentials,
            client_options={"api_endpoint": endpoint},
            _http=session,
        )
        again = (connect_timeout + read_timeout) * (attempts - 1)
        self._how: dict[str, Any] = {
            "timeout": patience,
            "retry": DEFAULT_RETRY.with_timeout(again) if attempts > 1 else None,
        }
        self._endpoint = endpoint
        self._point_at(location)

    def __repr__(self) -> str:
        return f"<GCSStore {self._name}>"

    def at(self, location: GCSLocation) -> GCSStore:
        """Another bucket or prefix of the same endpoint, by the same client."""
        other = copy.copy(self)
        other._point_at(location)
        return other

    def _point_at(self, location: GCSLocation) -> None:
        self.location = location
        self._prefix = layout.below(location.prefix)
        self._name = f"gs://{location.bucket}/{self._prefix}"
        self._answers = of_bucket(self._name, self._endpoint, "the API of Google Cloud Storage")
        self._bucket = self._client.bucket(location.bucket)

    def list_versions(self) -> list[str]:
        names: set[str] = set()
        with self._explained("list", self._name):
            listing = self._client.list_blobs(
                self._bucket,
                prefix=self._prefix,
                delimiter="/",
                fields="prefixes,nextPageToken",
                **self._how,
            )
            for _ in listing.pages:
                names = listing.prefixes  # of all pages so far
        found = (name[len(self._prefix) : -1] for name in names)
        return versions_among(found)

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        with self._explained("list", self._name + prefix):
            listing = self._client.list_blobs(
                self._bucket,
                prefix=self._prefix + prefix,
                fields="items(name,size,generation,updated),nextPageToken",
                **self._how,
            )
            for blob in listing:
                path = blob.name[len(self._prefix) :]
                if path.endswith("/"):
                    continue  # what consoles call a folder
                yield StoredFile(
                    path=path, size=blob.size, etag=str(blob.generation), modified=blob.updated
                )

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        with self._explained("read", path):
            blob = self._found(path)
            if str(blob.generation) == unless:
                return None
            if blob.size > limit:
                raise TooLarge(file=path, limit=limit)
            return self._part(blob, 0, blob.size), str(blob.generation)

    def open(self, path: str) -> Iterator[bytes]:
        with self._explained("read", path):
            blob = self._found(path)
            for start in range(0, blob.size, _CHUNK):
                yield self._part(blob, start, min(_CHUNK, blob.size - start))

    def create(self, path: str, source: Path | bytes) -> None:
        self._put(path, source, if_generation_match=0)

    def write(self, path: str, source: Path | bytes) -> None:
        self._put(path, source)

    def delete(self, path: str) -> None:
        with self._explained("delete", path):
            try:
                self._blob(path).delete(**self._how)
            except NotFound:
                self._require_bucket()

    def _blob(self, path: str) -> storage.Blob:
        return self._bucket.blob(self._prefix + path)

    def _found(self, path: str) -> storage.Blob:
        """The object with its size and generation, which from then on is the one that is read."""
        blob = self._blob(path)
        blob.reload(**self._how)
        if blob.size is None or blob.generation is None:
            raise self._answers.somebody_else()
        return blob

    def _part(self, found: storage.Blob, start: int, size: int) -> bytes:
        if size == 0:
            return b""
        # By name: by its own link, as the client would, it might not be read from our endpoint.
        blob = self._bucket.blob(found.name, generation=found.generation)
        try:
            data: bytes = blob.download_as_bytes(
                start=start, end=start + size - 1, raw_download=True, checksum=None, **self._how
            )
        except NotFound:
            raise StoreUnreachable(
                f"gs://{self.location.bucket}/{found.name} was written again while it was read:"
                " it is tried again"
            ) from None
        if len(data) != size:
            raise self._answers.cut_short(len(data), size, found.name)
        return data

    def _put(self, path: str, source: Path | bytes, **condition: int) -> None:
        how = {"content_type": content_type(path), **condition, **self._how}
        with self._explained("write", path):
            blob = self._blob(path)
            if isinstance(source, bytes):
                blob.upload_from_string(source, **how)
            else:
                blob.upload_from_filename(str(source), **how)

    def _require_bucket(self) -> None:
        """Raise NotFound where it is the bucket that is missing, and not an object in it."""
        listing = self._client.list_blobs(
            self._bucket, prefix=self._prefix, max_results=1, fields="nextPageToken", **self._how
        )
        next(listing.pages, None)

    @contextmanager
    def _explained(self, action: str, path: str) -> Iterator[None]:
        """Turn what the SDK raises into the store's errors, with what to do next."""
        try:
            with explained():
                yield
        except StoreError:
            raise
        except NotFound as error:
            raise self._missing(path) from error
        except PreconditionFailed:
            raise self._answers.taken(path) from None
        except (Forbidden, Unauthorized) as error:
            said = f"{error.code} {error.message}"
            raise self._answers.denied(action, said, _RIGHTS) from None
        except (TooManyRequests, RetryError, DataCorruption) as error:
            raise self._answers.trouble(action, path, str(error)) from None
        except InvalidResponse as error:
            said = str(error.response.status_code)
            raise self._answers.answered(action, path, said) from None
        except GoogleAPICallError as error:
            said = f"{error.code} {error.message}"
            raise self._answers.answered(action, path, said) from None
        except requests.exceptions.JSONDecodeError:
            raise self._answers.somebody_else() from None
        except requests.exceptions.SSLError as error:
            raise self._answers.untrusted(error) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._answers.silent(error) from None
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            # What the client makes of a page that is no answer of the API.
            raise self._answers.somebody_else() from error

    def _missing(self, path: str) -> StoreError:
        """Of 404: Google says no more than that, so the bucket is asked for."""
        if path != self._name:
            try:
                with self._explained("list", self._name):
                    self._require_bucket()
            except StoreError as error:
                return error
            return self._answers.missing(path)
        advice = "create it, or correct bucket and endpoint"
        return self._answers.no_bucket(self.location.bucket, advice)
