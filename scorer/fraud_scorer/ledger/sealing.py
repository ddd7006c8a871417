"""A complete segment into the archive: what is personal, the lines, and a seal that is numbered.

The number survives a restart of the container in a file beside the spool's chains, and a crash
between a seal and that file, as a seal is written once: whoever seals the same segment again finds
it there, and goes on from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from fraud_scorer.ledger import archive as archives
from fraud_scorer.ledger import seals
from fraud_scorer.ledger.archive import Archive, SegmentName
from fraud_scorer.ledger.chain import Link
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.entries import decode
from fraud_scorer.ledger.seals import Seal, Signer


class _State(Struct, frozen=True):
    log: str
    place: int
    after: str


class SealLog:
    """The seals of one shipper, in the order in which it made them."""

    def __init__(self, path: Path, signer: Signer) -> None:
        self._path, self._signer = path, signer
        try:
            self._state = msgspec.json.decode(path.read_bytes(), type=_State)
        except (FileNotFoundError, msgspec.DecodeError):
            self._remember(_State(secrets.token_hex(8), 0, ""))

    def seal(
        self,
        archive: Archive,
        name: SegmentName,
        links: Sequence[Link],
        *,
        previous: bytes,
        first: int,
        final: bool,
        personal: bytes = b"",
    ) -> None:
        """Archive the lines of a segment and seal them, with what the archive has of what is
        `personal` of them. Raises StoreError; then do it again."""
        lines = archives.to_lines(links)
        archive.put_segment(name, lines)
        now = datetime.now(UTC)
        seal = Seal(
            chain=str(name.chain),
            number=name.number,
            first=first,
            count=len(links),
            previous=previous.hex(),
            last=(links[-1].hash if links else previous).hex(),
            sha256=archives.sha256(lines),
            personal=archives.sha256(personal) if personal else "",
            from_at=decode(links[0].body).at if links else now,
            to_at=decode(links[-1].body).at if links else now,
            final=final,
            log=self._state.log,
            place=self._state.place,
            after=self._state.after,
            sealed_at=now,
        )
        kept = archive.put_seal(name, self._signer.sign(seal))
        there = seals.unverified(kept)
        if (there.log, there.place) == (self._state.log, self._state.place):
            self._remember(_State(there.log, there.place + 1, seals.digest(kept)))

    def _remember(self, state: _State) -> None:
        partial = self._path.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(state))
        partial.replace(self._path)
        self._state = state


def mark_sealed(connection: Connection, name: SegmentName) -> None:
    """Have Postgres know how many segments of the chain have a seal: one may be missed there."""
    connection.execute(
        "UPDATE chains SET sealed = greatest(sealed, %s) WHERE chain = %s",
        [name.number + 1, name.chain],
    )
