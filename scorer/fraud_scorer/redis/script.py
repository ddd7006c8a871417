"""Scripts that run in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files

from fraud_scorer.redis.resp import command


class Script:
    """A script by its digest, with its text for a Redis that does not know it yet."""

    def __init__(self, package: str, *names: str) -> None:
        """Of these files, one after the other."""
        texts = [files(package).joinpath(name).read_bytes() for name in names]
        self._text = b"\n".join(texts)
        self._digest = sha1(self._text).hexdigest().encode()  # noqa: S324 (Redis calls it so)

    def call(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        """The command that runs it."""
        return command(b"EVALSHA", self._digest, b"%d" % len(keys), *keys, *arguments)

    def call_in_full(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        """The command that brings its text along."""
        return command(b"EVAL", self._text, b"%d" % len(keys), *keys, *arguments)
