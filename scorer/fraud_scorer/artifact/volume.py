"""A model store on a volume of the cluster, asked over HTTP of the server that mounts it.

Many volumes can be mounted in one place at a time only, and pods are in several: so one pod has it
(`fraud-scorer volume`, in http/volume.py), and everybody else asks that one.

    GET    /v1/folders, /v1/folders/{path}   the names of the folders in one, as JSON
    GET    /v1/listing, /v1/listing/{path}   all files below one, a StoredFile as JSON a line
    GET    /v1/files/{path}                  a file; 304 where its ETag is If-None-Match
    PUT    /v1/files/{path}                  write one; with If-None-Match: * only a new one (412)
    DELETE /v1/files/{path}                  remove one, whether it is there or not

A path is relative to the volume, and one segment of the URL: its slashes are escaped. All ask for
`Authorization: Bearer` and the token. What goes wrong is a problem document; that a file, or the
whole volume, is missing is believed only where its type says so, as a 404 may come from anywhere.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from urllib.parse import quote

import msgspec
import urllib3
from msgspec import Struct
from urllib3.exceptions import HTTPError

from fraud_scorer.artifact import layout
from fraud_scorer.artifact.answers import Answers
from fraud_scorer.artifact.manifest import versions_among
from fraud_scorer.artifact.plan import VolumeLocation
from fraud_scorer.artifact.store import (
    AccessDenied,
    BucketMissing,
    CredentialsMissing,
    StoredFile,
    StoreError,
    StoreUnreachable,
    TooLarge,
)

FILES, FOLDERS, LISTING = "/v1/files", "/v1/folders", "/v1/listing"
PROBLEM_TYPE = "urn:fraudops:problem:"


class Kinds:
    """Problems, by the last part of their type."""

    FILE_MISSING = "file-missing"
    VOLUME_MISSING = "volume-missing"
    ALREADY_THERE = "already-there"


_PROBLEM_MEDIA = "application/problem+json"
_ACTIONS = {"GET": "read", "PUT": "write", "DELETE": "delete"}
_CHUNK = 1 << 20
_LARGEST_LISTING, _LARGEST_PROBLEM = 64 << 20, 64 << 10
_HOW: dict[str, Any] = {"status": 0, "respect_retry_after_header": False}
_ONCE = urllib3.Retry(0, **_HOW)
_NAMES = msgspec.json.Decoder(list[str])
_FILE = msgspec.json.Decoder(StoredFile)


class _Problem(Struct):
    """What is read of a problem document."""

    type: str
    detail: str


class VolumeStore:
    """The versions below one folder of a volume. See `Store` for what the methods promise."""

    def __init__(
        self,
        location: VolumeLocation,
        token: str,
        *,
        ca: Path | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        attempts: int = 2,
    ) -> None:
        """Timeouts are seconds, for each of `attempts`. `ca` is a file of certificates in PEM,
        which alone are trusted. Raises CredentialsMissing, and StoreUnreachable for a URL that is
        none."""
        self.location = location
        self._url = location.url.rstrip("/")
        self._prefix = layout.below(location.prefix)
        self._answers = Answers(
            name=f"{self._url}/{self._prefix}",
            endpoint=self._url,
            api="the server of a volume",
            unheard="does its server run, and may traffic go there?",
        )
        if not re.match(r"https?://[^/]", self._url):
            raise StoreUnreachable(f"{self._url!r} is not the URL of a volume's server")
        if not re.fullmatch(r"[!-~]+", token):
            raise CredentialsMissing(
                f"the token for {self._url} is empty, or has a space or a line break in it: delete"
                " its Secret, and the operator makes a new one"
            )
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=connect_timeout, read=read_timeout),
            headers={"Authorization": f"Bearer {token}"},
            ca_certs=str(ca) if ca is not None else None,
        )
        self._again = urllib3.Retry(attempts - 1, **_HOW, backoff_factor=0.1)

    def __repr__(self) -> str:
        return f"<VolumeStore {self._answers.name}>"

    def list_versions(self) -> list[str]:
        with self._asked("GET", FOLDERS, "") as answer:
            names = _NAMES.decode(answer.read(_LARGEST_LISTING))
        return versions_among(names)

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        with self._asked("GET", LISTING, prefix.removesuffix("/")) as answer:
            for line in _lines(answer):
                found = _FILE.decode(line)
                yield msgspec.structs.replace(found, path=found.path[len(self._prefix) :])

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        known = {"If-None-Match": f'"{unless}"'} if unless else {}
        with self._asked("GET", FILES, path, known) as answer:
            if answer.status == 304:
                return None
            if int(answer.headers["Content-Length"]) > limit:
                raise TooLarge(file=path, limit=limit)
            return answer.read(), answer.headers["ETag"].strip('"')

    def open(self, path: str) -> Iterator[bytes]:
        with self._asked("GET", FILES, path) as answer:
            yield from answer.stream(_CHUNK)

    def create(self, path: str, source: Path | bytes) -> None:
        only_new = {"If-None-Match": "*"}
        # That there is one can be learnt without sending all of another. Later ones lose all the
        # same.
        with self._asked("GET", FILES, path, only_new, may_miss=True) as answer:
            if answer.status == 304:
                raise self._answers.taken(path)
        # Once: after an answer that was lost, it would find what it wrote itself.
        self._put(path, source, only_new, retries=_ONCE)

    def write(self, path: str, source: Path | bytes) -> None:
        self._put(path, source)

    def delete(self, path: str) -> None:
        with self._asked("DELETE", FILES, path):
            pass

    def _put(
        self,
        path: str,
        source: Path | bytes,
        headers: Mapping[str, str] | None = None,
        *,
        retries: urllib3.Retry | None = None,
    ) -> None:
        # Never as bytes, which must be sent whole within one timeout, however many they are.
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as body:
            size = len(source) if isinstance(source, bytes) else os.fstat(body.fileno()).st_size
            length = {**(headers or {}), "Content-Length": str(size)}
            with self._asked("PUT", FILES, path, length, body, retries=retries):
                return

    @contextmanager
    def _asked(
        self,
        method: str,
        route: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: BinaryIO | None = None,
        *,
        retries: urllib3.Retry | None = None,
        may_miss: bool = False,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to a request, while it is read; what is not read ends the connection."""
        full = (self._prefix + path).removesuffix("/")
        url = f"{self._url}{route}" + (f"/{quote(full, safe='')}" if full else "")
        try:
            answer = self._http.request(
                method,
                url,
                body=body,
                headers={**self._http.headers, **(headers or {})},
                retries=retries or self._again,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                if answer.status >= 300 and answer.status != 304:
                    problem = self._problem(answer)
                    if not (may_miss and problem.type == PROBLEM_TYPE + Kinds.FILE_MISSING):
                        self._refused(method, answer.status, problem, path)
                yield answer
                if answer.length_remaining == 0:
                    answer.drain_conn()
            finally:
                answer.close()
        except StoreError:
            raise
        except HTTPError as error:
            raise self._answers.silent(error) from None
        except (KeyError, ValueError) as error:
            raise self._answers.somebody_else() from error

    def _problem(self, answer: urllib3.BaseHTTPResponse) -> _Problem:
        """What the server says is wrong; nobody else is believed."""
        if answer.headers.get("Content-Type") != _PROBLEM_MEDIA:
            raise self._answers.somebody_else()
        return msgspec.json.decode(answer.read(_LARGEST_PROBLEM), type=_Problem)

    def _refused(self, method: str, status: int, problem: _Problem, path: str) -> NoReturn:
        match problem.type.removeprefix(PROBLEM_TYPE):
            case Kinds.FILE_MISSING:
                raise self._answers.missing(path)
            case Kinds.VOLUME_MISSING:
                raise BucketMissing(f"{self._url}: {problem.detail}")
            case Kinds.ALREADY_THERE:
                raise self._answers.taken(path)
        match status:
            case 401 | 403:
                raise AccessDenied(f"{self._answers.what(path)}: {problem.detail}")
            case 404 | 405:
                raise self._answers.somebody_else()
            case 400 | 413:
                raise StoreError(f"{self._answers.what(path)}: {problem.detail}")
        raise self._answers.answered(
            _ACTIONS.get(method, method), path, f"{status} {problem.detail}"
        )


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The lines of an answer, as they come. One that is cut short raises HTTPError."""
    rest = b""
    for piece in answer.stream(_CHUNK):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest
