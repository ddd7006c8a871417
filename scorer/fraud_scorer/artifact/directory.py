"""A model store in a folder: for a laptop, a mounted volume, and tests."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fraud_scorer.artifact.manifest import versions_among
from fraud_scorer.artifact.store import (
    AccessDenied,
    AlreadyThere,
    BucketMissing,
    FileMissing,
    StoredFile,
    StoreError,
    StoreUnreachable,
    TooLarge,
)
from fraud_scorer.artifact.tree import NoPath, NoRoot, Tree, Upload

_CHUNK = 1 << 20


class Opened(NamedTuple):
    """A file that is being read, with what it was when it was opened."""

    file: BinaryIO
    size: int
    etag: str


class DirectoryStore:
    """The versions below one folder. See `Store` for what the methods promise."""

    def __init__(self, root: Path, *, confined: bool = False) -> None:
        """`confined`: the folder exists already, and nothing outside of it is reached by links."""
        self.root = root
        self._tree = Tree(root, confined=confined)

    def __repr__(self) -> str:
        return f"<DirectoryStore {self.root}>"

    def list_versions(self) -> list[str]:
        return versions_among(self.folders(""))

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        with self._explained(prefix), _none_where_missing():
            for path, found in self._tree.files(prefix.removesuffix("/")):
                yield StoredFile(
                    path=path,
                    size=found.st_size,
                    etag=_etag(found),
                    modified=datetime.fromtimestamp(found.st_mtime, UTC),
                )

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        file, _, etag = self.opened(path)
        with self._explained(path), file:
            if etag == unless:
                return None
            data = file.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(file=path, limit=limit)
        return data, etag

    def open(self, path: str) -> Iterator[bytes]:
        with self._explained(path), self.opened(path).file as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def create(self, path: str, source: Path | bytes) -> None:
        self._put(path, source, replace=False)

    def write(self, path: str, source: Path | bytes) -> None:
        self._put(path, source, replace=True)

    def delete(self, path: str) -> None:
        with self._explained(path):
            self._tree.delete(path)

    def folders(self, path: str) -> list[str]:
        """The names of the folders in one; none where that one is missing."""
        with self._explained(path), _none_where_missing():
            return self._tree.folders(path)
        return []

    def opened(self, path: str) -> Opened:
        """A file for whoever reads and closes it himself. Raises FileMissing."""
        with self._explained(path):
            try:
                file = self._tree.open(path)
            except NoRoot:
                if self._tree.confined:
                    raise
                raise FileNotFoundError from None  # a folder to publish to may not be there yet
            found = os.fstat(file.fileno())
            return Opened(file, found.st_size, _etag(found))

    @contextmanager
    def writing(self, path: str) -> Iterator[Upload]:
        """A file for whoever writes it piece by piece. Raises AlreadyThere."""
        with self._explained(path):
            try:
                with self._tree.writing(path) as upload:
                    yield upload
            except NoRoot:
                raise
            except (FileNotFoundError, NotADirectoryError) as error:
                raise StoreUnreachable(
                    f"{self.root / path} cannot be written ({error.strerror}): is a file, or a"
                    " link, in the place of one of its folders?"
                ) from None

    def _put(self, path: str, source: Path | bytes, *, replace: bool) -> None:
        with self.writing(path) as upload:
            if isinstance(source, bytes):
                upload.write(source)
            else:
                with source.open("rb") as given:
                    shutil.copyfileobj(given, upload, _CHUNK)
            upload.keep(replace=replace)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Turn what the file system raises into the store's errors, with what to do next."""
        where = self.root / path
        try:
            yield
        except StoreError:
            raise
        except NoPath:
            raise StoreError(f"{path!r} is no path in a store: correct it") from None
        except NoRoot:
            raise BucketMissing(
                f"there is no folder {self.root}: create it, or name another"
            ) from None
        except (FileNotFoundError, NotADirectoryError):
            raise FileMissing(f"{where} does not exist", file=str(where)) from None
        except FileExistsError:
            raise AlreadyThere(f"{where} exists already") from None
        except PermissionError as error:
            raise AccessDenied(
                f"{error.filename or where} may not be read or written by this user: change its"
                " mode or owner"
            ) from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise FileMissing(
                    f"{where} does not exist: it is a link, and links are not followed here",
                    file=str(where),
                ) from None
            raise StoreUnreachable(f"{where}: {error.strerror or error}") from None


@contextmanager
def _none_where_missing() -> Iterator[None]:
    """A folder that is not there has nothing in it; but the store itself must be there."""
    try:
        yield
    except NoRoot:
        raise
    except (FileNotFoundError, NotADirectoryError):
        pass


def _etag(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
