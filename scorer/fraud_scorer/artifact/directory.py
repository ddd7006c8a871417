"""A model store in a folder: for a laptop, a mounted volume, and tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fraud_scorer.artifact.manifest import is_version, version_key
from fraud_scorer.artifact.store import (
    AccessDenied,
    AlreadyThere,
    BucketMissing,
    FileMissing,
    StoreUnreachable,
    TooLarge,
)

_CHUNK = 1 << 20


class DirectoryStore:
    """The versions below one folder. See `Store` for what the methods promise."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __repr__(self) -> str:
        return f"<DirectoryStore {self.root}>"

    def list_versions(self) -> list[str]:
        with _explained(self.root):
            if not self.root.is_dir():
                raise BucketMissing(f"there is no folder {self.root}: create it, or name another")
            names = [entry.name for entry in self.root.iterdir() if entry.is_dir()]
        return sorted(filter(is_version, names), key=version_key)

    def read(self, path: str, *, limit: int, unless: str = "") -> tuple[bytes, str] | None:
        with _explained(self.root / path), (self.root / path).open("rb") as file:
            stat = Path(file.name).stat()
            etag = f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
            if etag == unless:
                return None
            data = file.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(file=path, limit=limit)
        return data, etag

    def open(self, path: str) -> Iterator[bytes]:
        with _explained(self.root / path), (self.root / path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def create(self, path: str, source: Path | bytes) -> None:
        target = self.root / path
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.partial")
            try:
                partial.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
                target.hardlink_to(partial)  # unlike a rename, this fails where the target exists
            finally:
                partial.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the file system raises into the store's errors, with what to do next."""
    try:
        yield
    except FileNotFoundError:
        raise FileMissing(f"{path} does not exist", file=str(path)) from None
    except FileExistsError:
        raise AlreadyThere(f"{path} exists already") from None
    except PermissionError as error:
        raise AccessDenied(
            f"{error.filename} may not be read or written by this user: change its mode or owner"
        ) from None
    except OSError as error:
        raise StoreUnreachable(f"{path}: {error.strerror or error}") from None
