"""Files below one folder of this machine, each reached from that folder step by step.

A path is taken apart, and each of its folders opened in the one before: so what was looked at is
what is read or written, whatever is renamed meanwhile, and in a *confined* tree, where no link is
followed, nothing outside can be reached at all. A file under way is called otherwise until it is
whole, so that readers see all of a file or none of it.

What goes wrong is an OSError.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_PARTIAL = ".partial-"
"""What is being written is called so until it is whole."""

_NOT_OURS = frozenset({"lost+found"})
"""In the root of a volume's file system, and only the machine's administrator may look inside."""

_DEEPEST = 32
_SYNC = 64 << 20
"""Bytes after which a file under way is put on the disk: its end, which somebody waits for, then
takes no time for all that came before."""

_MODE = 0o644
"""As other users' pods read it."""

_OPEN = os.O_RDONLY | os.O_CLOEXEC
_WITHOUT_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What file systems say that have no hard links, as SMB's."""

_creating = threading.Lock()


class NoRoot(FileNotFoundError):
    """The root itself is not there, or is no folder."""


class NoPath(OSError):
    """What was given is not the path of anything below a root."""


class Tree:
    """The files below `root`. A confined tree has a root that exists, and follows no link in it."""

    def __init__(self, root: Path, *, confined: bool = False) -> None:
        self.root = root
        self.confined = confined
        self._links = os.O_NOFOLLOW if confined else 0

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder."""
        with self._folder(_parts(path)) as folder, os.scandir(folder) as entries:
            follow = not self.confined
            return [one.name for one in entries if one.is_dir(follow_symlinks=follow)]

    def files(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        """Every file below a folder, by its path from the root, sorted by that. Folders that are
        links are not entered."""
        with self._folder(_parts(path)) as folder:
            yield from self._walk(folder, f"{path}/" if path else "", 0)

    def open(self, path: str) -> BinaryIO:
        """A file, for reading."""
        *parents, name = _file(path)
        with self._folder(parents) as folder:
            # Without O_NONBLOCK, whoever puts a pipe there holds up its reader forever.
            opened = os.open(name, _OPEN | os.O_NONBLOCK | self._links, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise FileNotFoundError(errno.ENOENT, "is no file", path)
        return os.fdopen(opened, "rb")

    @contextmanager
    def writing(self, path: str) -> Iterator[Upload]:
        """What is to be the file at `path`: it is there once `Upload.keep` has returned."""
        try:
            upload = self._upload(path)
        except FileNotFoundError:
            upload = self._upload(path)  # its folder was made, and removed for being empty
        try:
            yield upload
        finally:
            upload.close()

    def delete(self, path: str) -> None:
        """Remove a file, where there is one, and the folders that are empty then: a bucket has no
        folders without files either."""
        parts = _file(path)
        try:
            with self._folder(parts[:-1]) as folder:
                os.unlink(parts[-1], dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError) as error:
            if self.confined and isinstance(error, NoRoot):
                raise
        with suppress(OSError):
            for length in range(len(parts) - 1, 0, -1):
                with self._folder(parts[: length - 1]) as folder:
                    os.rmdir(parts[length - 1], dir_fd=folder)

    def _upload(self, path: str) -> Upload:
        *parents, name = _file(path)
        with self._folder(parents, make=True) as folder:
            return Upload(folder, name)

    @contextmanager
    def _folder(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of the folder, which is made where it is missing."""
        if make and not self.confined:
            self.root.mkdir(parents=True, exist_ok=True)
        try:
            folder = os.open(self.root, _OPEN | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            raise NoRoot(errno.ENOENT, "there is no such folder", str(self.root)) from None
        try:
            for name in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=folder)
                inner = os.open(name, _OPEN | os.O_DIRECTORY | self._links, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _walk(self, folder: int, prefix: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(folder) as entries:
            # A folder sorts as its files do: by its name and a slash.
            names = sorted(
                f"{one.name}/" if one.is_dir(follow_symlinks=False) else one.name
                for one in entries
                if not one.name.startswith(_PARTIAL) and (prefix or one.name not in _NOT_OURS)
            )
        for name in names:
            with suppress(FileNotFoundError):  # deleted since it was listed
                if not name.endswith("/"):
                    found = os.stat(name, dir_fd=folder, follow_symlinks=not self.confined)
                    if stat.S_ISREG(found.st_mode):
                        yield prefix + name, found
                elif depth < _DEEPEST:
                    how = _OPEN | os.O_DIRECTORY | os.O_NOFOLLOW
                    inner = os.open(name[:-1], how, dir_fd=folder)
                    try:
                        yield from self._walk(inner, prefix + name, depth + 1)
                    finally:
                        os.close(inner)


class Upload:
    """A file under way, beside the place where it is to be."""

    def __init__(self, folder: int, name: str) -> None:
        """Takes a descriptor of its own from `folder`."""
        self._name = name
        self._unsynced = 0
        self._partial = _PARTIAL + secrets.token_hex(8)
        self._folder = os.dup(folder)
        try:
            how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.fdopen(os.open(self._partial, how, _MODE, dir_fd=folder), "wb")
        except BaseException:
            os.close(self._folder)
            raise

    def write(self, data: bytes) -> None:
        """Append these bytes."""
        self._file.write(data)
        self._unsynced += len(data)
        if self._unsynced >= _SYNC:
            self._sync()

    def keep(self, *, replace: bool) -> None:
        """Let it be the file; raises FileExistsError where there is one that is not to be
        replaced. It survives a machine that goes down."""
        os.fchmod(self._file.fileno(), _MODE)
        self._sync()
        if replace:
            self._rename()
        else:
            self._create()
        with suppress(OSError):  # not every file system can do that with a folder
            os.fsync(self._folder)

    def close(self) -> None:
        """Leave nothing behind but what was kept."""
        with suppress(OSError):
            self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._partial, dir_fd=self._folder)
        os.close(self._folder)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._unsynced = 0

    def _create(self) -> None:
        """Give it its name: unlike a rename, a link fails where that is taken."""
        try:
            os.link(
                self._partial,
                self._name,
                src_dir_fd=self._folder,
                dst_dir_fd=self._folder,
                follow_symlinks=False,
            )
        except OSError as error:
            if error.errno not in _WITHOUT_LINKS:
                raise
            with _creating:  # holds up this process only, which is alone on such a volume
                if self._is_taken():
                    raise FileExistsError(errno.EEXIST, "exists already", self._name) from None
                self._rename()

    def _rename(self) -> None:
        os.replace(self._partial, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _is_taken(self) -> bool:
        try:
            os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


def _parts(path: str) -> list[str]:
    """The names that a path is made of, of which none leads elsewhere; none at all for the root."""
    parts = path.split("/") if path else []
    for part in parts:
        if part in ("", ".", "..") or "\0" in part or part.startswith(_PARTIAL):
            raise NoPath(errno.EINVAL, "is no path in a store", path)
    return parts


def _file(path: str) -> list[str]:
    """The same for what is not the root."""
    if not path:
        raise NoPath(errno.EINVAL, "is no path in a store", path)
    return _parts(path)
