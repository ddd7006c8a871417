"""What waits in the archive, into Postgres: segments of pods that went while it was away.

Any shipper does it, one at a time (an advisory lock), for all chains of the archive.
"""

from __future__ import annotations

import logging
from uuid import UUID

from fraud_scorer.ledger import sealing, vault
from fraud_scorer.ledger.archive import Archive, DamagedFile, SegmentName
from fraud_scorer.ledger.chain import Link
from fraud_scorer.ledger.delivery import ChainConflict, deliver
from fraud_scorer.ledger.segment import Header, scan
from fraud_scorer.ledger.session import Session
from fraud_scorer.ledger.stretches import Stretch

_LOCK = 0x7265636F

_log = logging.getLogger(__name__)


class Recovery:
    """See the module."""

    def __init__(self, archive: Archive, session: Session, subject_kind: str) -> None:
        self._archive, self._session, self._kind = archive, session, subject_kind

    def run(self) -> int:
        """Deliver what can be; how many segments that were. Raises StoreError, DatabaseError."""
        names = self._archive.all_pending()
        if not names:
            return 0
        with self._session.use() as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        if row is None or not row[0]:
            return 0  # another one is at it
        done, stuck = 0, set[UUID]()
        try:
            for name in names:
                if name.chain not in stuck:
                    if self._one(name):
                        done += 1
                    else:
                        stuck.add(name.chain)
        finally:
            if self._session.away_since is None:
                with self._session.use() as connection:
                    connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
        return done

    def _one(self, name: SegmentName) -> bool:
        """Whether the segment is in Postgres now."""
        try:
            header, links = self._read(name)
            if links and not self._deliver(header, links):
                return False
        except (DamagedFile, ChainConflict) as error:
            _log.error(
                "a segment in the archive cannot be delivered",
                extra={"chain": str(name.chain), "number": name.number, "error": str(error)},
            )
            return False
        if links:
            with self._session.use() as connection:
                lines = vault.lock(connection, links, subject_kind=self._kind)
            self._archive.put_personal(name, lines)
        with self._session.use() as connection:
            sealing.mark_sealed(connection, name)
        self._archive.forget_pending(name)
        return True

    def _read(self, name: SegmentName) -> tuple[Header, list[Link]]:
        header, frames = self._archive.pending(name)
        found = scan(frames, header.first, header.previous, complete=True)
        if found.torn or (header.chain, header.number) != name:
            raise DamagedFile(f"it was changed after entry {header.first + len(found.links)}")
        return header, found.links

    def _deliver(self, header: Header, links: list[Link]) -> bool:
        with self._session.use() as connection:
            stretch = Stretch(header.chain, header.previous, links)
            state = deliver(connection, [stretch], subject_kind=self._kind)
        return state[header.chain].count > links[-1].sequence
