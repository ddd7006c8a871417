"""From the spool to Postgres and to the archive: a process of its own beside those that serve.

    spool --(COPY, exactly once)--> Postgres
    spool --(complete segments, sealed)--> archive
    spool --(Postgres away for long, or this pod going)--> archive, pending --> Postgres, later

A segment leaves the spool once it is in Postgres, and in the archive where there is one; or once
the archive keeps it, pending, for whichever shipper finds Postgres again. Neither's absence is an
error: it is said once, and waited for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from fraud_scorer.artifact.store import StoreError
from fraud_scorer.ledger import acts, sealing, vault
from fraud_scorer.ledger.archive import Archive, SegmentName
from fraud_scorer.ledger.chain import Link
from fraud_scorer.ledger.database import Database, DatabaseError
from fraud_scorer.ledger.delivery import ChainConflict, deliver, delivered
from fraud_scorer.ledger.recovery import Recovery
from fraud_scorer.ledger.sealing import SealLog
from fraud_scorer.ledger.seals import Signer
from fraud_scorer.ledger.session import Session
from fraud_scorer.ledger.spool import Spool
from fraud_scorer.ledger.spooled import DamagedSegment, Place, SpooledChain, SpooledSegment
from fraud_scorer.ledger.stretches import Stretch

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shipping:
    """Times are seconds. `spill_after`: how long Postgres may be away before complete segments go
    to the archive instead. `grace`: how long to go on after being told to stop."""

    subject_kind: str = "customer"
    batch_bytes: int = 4 << 20
    pause: float = 0.2
    look_every: float = 1.0
    spill_after: float = 30.0
    recover_every: float = 60.0
    archive_pause: float = 5.0
    acts_age: float = 60.0
    """For how long a chain of acts stays open."""
    grace: float = 25.0
    last_patience: float = 3.0
    """Instead of the database's own patience, once it is to stop."""


@dataclass(slots=True)
class _Chain:
    """A chain in the spool, and how far it got."""

    spooled: SpooledChain
    place: Place | None = None
    delivered: int = -1
    """How many of its entries Postgres has; -1 where it was not asked yet."""
    gone: bool = False
    behind: bool = False
    """What comes before it is not in Postgres yet: it waits in the archive."""
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Part of a chain, and how far it is read when that was delivered."""

    chain: _Chain
    place: Place
    stretch: Stretch


@dataclass(slots=True)
class Shipped:
    """Counts, since the process began: entries to Postgres, segments to the archive and back."""

    delivered: int = 0
    sealed: int = 0
    spilled: int = 0
    recovered: int = 0


class Shipper:
    """See the module."""

    def __init__(
        self,
        spool: Spool,
        database: Database,
        archive: Archive | None,
        signer: Signer | None,
        shipping: Shipping,
    ) -> None:
        """An archive and a signer come together. Raises ValueError where they do not, and
        SpoolTaken."""
        if (archive is None) != (signer is None):
            raise ValueError("an archive takes a key to seal with, and a key an archive")
        self.shipped = Shipped()
        self._lock = spool.take_for_shipping()
        self._spool, self._archive, self._shipping = spool, archive, shipping
        self.session = Session(database)
        self._seals = None
        self._recovery = None
        if archive is not None and signer is not None:
            self._seals = SealLog(spool.folder / "seal-log.json", signer)
            self._recovery = Recovery(archive, self.session, shipping.subject_kind)
        self._chains: dict[UUID, _Chain] = {}
        self._looked_at, self._recovered_at = -1e9, -1e9
        self._archive_again_at = 0.0
        self._stopping = False

    def run(self, stop: threading.Event) -> bool:
        """Ship until told to stop, and then for a while what is left; whether nothing was."""
        while not stop.is_set():
            if not self.step():
                stop.wait(self._shipping.pause)
        self._stopping = True
        end = time.monotonic() + self._shipping.grace
        while time.monotonic() < end:
            self._look()
            if not self._chains:
                break
            if not self.step():
                time.sleep(self._shipping.pause)
        self.close()
        if self._chains:
            _log.error(
                "records stay in the spool, as neither Postgres nor the archive took them",
                extra={"chains": len(self._chains), "bytes": self._spool.usage()},
            )
        return not self._chains

    def close(self) -> None:
        """Leave the spool to another one."""
        self.session.close()
        os.close(self._lock)

    def step(self) -> bool:
        """Do what can be done now; whether there may be more."""
        if time.monotonic() - self._looked_at >= self._shipping.look_every:
            self._look()
        worked = False
        if self.session.due():
            try:
                worked = self._deliver() | self._recover()
            except DatabaseError as error:
                _log.debug("not delivered", extra={"error": str(error)})
        if time.monotonic() >= self._archive_again_at:
            try:
                worked |= self._tidy()
            except StoreError as error:
                self._archive_again_at = time.monotonic() + self._shipping.archive_pause
                _log.warning("the archive takes nothing", extra={"error": str(error)})
            except DatabaseError as error:
                _log.debug("not archived", extra={"error": str(error)})
        return worked

    @property
    def _patience(self) -> float | None:
        return self._shipping.last_patience if self._stopping else None

    def _look(self) -> None:
        """Find new chains, and those whose process is gone."""
        self._looked_at = time.monotonic()
        for name in self._spool.chains():
            if name not in self._chains:
                self._chains[name] = _Chain(SpooledChain(self._spool, name))
        for name, chain in list(self._chains.items()):
            chain.gone = chain.gone or chain.spooled.retire_writer()
            if chain.gone and not chain.spooled.segments():
                chain.spooled.remove()
                del self._chains[name]

    def _deliver(self) -> bool:
        """One batch, of all chains alike."""
        ready = [one for one in self._chains.values() if not (one.behind or one.conflict)]
        self._ask_how_far([one for one in ready if one.delivered < 0])
        share = max(self._shipping.batch_bytes // max(len(ready), 1), 1 << 16)
        read = (self._read(chain, share) for chain in ready)
        batch = [one for one in read if one is not None]
        if not batch:
            return False
        try:
            self._send(batch)
        except ChainConflict:
            for one in batch:  # each for itself, so that one bad chain does not hold up the others
                try:
                    self._send([one])
                except ChainConflict as error:
                    self._give_up(one.chain, error)
        return True

    def _ask_how_far(self, chains: Sequence[_Chain]) -> None:
        if not chains:
            return
        names = [one.spooled.chain for one in chains]
        with self.session.use(patience=self._patience) as connection:
            known = delivered(connection, names)
        for chain, name in zip(chains, names, strict=True):
            chain.delivered = known[name].count if name in known else 0

    def _read(self, chain: _Chain, most: int) -> _Parcel | None:
        """What a chain has that is not delivered."""
        place = chain.spooled.resume(chain.place)
        if place is None:
            return None
        previous = place.hash
        try:
            links = chain.spooled.read(place, most=most)
        except DamagedSegment as error:
            self._give_up(chain, error)
            return None
        return (
            _Parcel(chain, place, Stretch(chain.spooled.chain, previous, links)) if links else None
        )

    def _give_up(self, chain: _Chain, error: Exception) -> None:
        """Leave a chain in the spool, for a person to look at, and go on with the others."""
        chain.conflict = True
        _log.error("a chain cannot be delivered", extra={"error": str(error)})

    def _send(self, batch: Sequence[_Parcel]) -> None:
        with self.session.use(patience=self._patience) as connection:
            state = deliver(
                connection,
                [one.stretch for one in batch],
                subject_kind=self._shipping.subject_kind,
            )
        for one in batch:
            now = state[one.stretch.chain].count
            if now >= one.stretch.first:
                self.shipped.delivered += now - one.chain.delivered
                one.chain.place, one.chain.delivered = one.place, now
            elif one.chain.place is not None:
                # Postgres has less than it had: it lost a commit, or was restored.
                one.chain.place, one.chain.delivered = None, now
            else:
                one.chain.behind = True

    def _recover(self) -> bool:
        """Deliver what waits in the archive: now and then, and where a chain waits for it."""
        waiting = [one for one in self._chains.values() if one.behind]
        every = self._shipping.archive_pause if waiting else self._shipping.recover_every
        if time.monotonic() - self._recovered_at < every or self._stopping:
            return False
        if self._recovery is None:
            for one in waiting:
                self._give_up(
                    one,
                    LookupError(
                        "Postgres lacks what comes before it, and there is"
                        " no archive that could have it"
                    ),
                )
            return False
        self._recovered_at = time.monotonic()
        try:
            done = self._recovery.run()
            self._seal_acts()
        except StoreError as error:
            _log.warning("the archive cannot be looked through", extra={"error": str(error)})
            return False
        self.shipped.recovered += done
        for chain in waiting:
            chain.behind = False
        return done > 0

    def _seal_acts(self) -> None:
        """Seal what people did, which is in Postgres already."""
        if self._archive is None or self._seals is None:
            return
        with self.session.use() as connection:
            acts.end_old(connection, timedelta(seconds=self._shipping.acts_age))
            done = list(acts.unsealed(connection))
        for act in done:
            name = SegmentName(act.chain, 0)
            self._seals.seal(
                self._archive, name, act.links, previous=act.previous, first=0, final=True
            )
            with self.session.use() as connection:
                sealing.mark_sealed(connection, name)

    def _tidy(self) -> bool:
        """Archive complete segments, and remove from the spool what is safe elsewhere."""
        worked = False
        for chain in self._chains.values():
            try:
                while not chain.conflict and self._tidy_one(chain):
                    worked = True
            except DamagedSegment as error:
                self._give_up(chain, error)
        return worked

    def _tidy_one(self, chain: _Chain) -> bool:
        """Whether the chain's oldest segment could go."""
        oldest, following, *_ = (*chain.spooled.segments()[:2], None, None)
        if oldest is None or not oldest.closed or (following is None and not chain.gone):
            return False
        if not self._put_away(chain, oldest, following):
            return False
        oldest.path.unlink()
        return True

    def _put_away(
        self, chain: _Chain, segment: SpooledSegment, following: SpooledSegment | None
    ) -> bool:
        """Whether the segment may be removed from the spool now."""
        if self._archive is None:
            return chain.delivered >= _end_of(segment, following)
        spill = self._spill(chain)
        if following is not None and chain.delivered < following.header.first and not spill:
            return False
        links, personal = segment.links(), b""
        is_delivered = chain.delivered >= segment.header.first + len(links)
        if is_delivered:
            personal = self._keep_personal(segment, links)
            self.shipped.sealed += 1
        elif spill:
            self._archive.put_pending(_name(segment), segment.path.read_bytes())
            self.shipped.spilled += 1
        else:
            return False
        if self._seals is not None:
            self._seals.seal(
                self._archive,
                _name(segment),
                links,
                previous=segment.header.previous,
                first=segment.header.first,
                final=following is None,
                personal=personal,
            )
        if is_delivered:
            with self.session.use(patience=self._patience) as connection:
                sealing.mark_sealed(connection, _name(segment))
        return True

    def _keep_personal(self, segment: SpooledSegment, links: Sequence[Link]) -> bytes:
        """Archive what is personal; what the archive has of it."""
        if self._archive is None or not links:
            return b""
        with self.session.use(patience=self._patience) as connection:
            lines = vault.lock(connection, links, subject_kind=self._shipping.subject_kind)
        return self._archive.put_personal(_name(segment), lines)

    def _spill(self, chain: _Chain) -> bool:
        """Whether what Postgres does not take of the chain goes to the archive."""
        away = self.session.away_since
        if chain.behind and self._stopping:
            return True
        if away is None:
            return False
        return (
            self._stopping
            or time.monotonic() - away >= self._shipping.spill_after
            or self._spool.usage() > self._spool.limit // 2
        )


def _name(segment: SpooledSegment) -> SegmentName:
    return SegmentName(segment.header.chain, segment.header.number)


def _end_of(segment: SpooledSegment, following: SpooledSegment | None) -> int:
    """The sequence after its last one."""
    if following is not None:
        return following.header.first
    return segment.header.first + len(segment.links())
