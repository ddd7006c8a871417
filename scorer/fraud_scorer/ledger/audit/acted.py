"""What people write, against the acts that vouch for it: labels, lists, looks, and erasures.

Labels and words on lists outlive the months of their acts in Postgres; then the archive has these.
A word on a list may be gone, and a look's row not say whom it was about, where that person was
erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fraud_scorer.ledger import erasure, labels, lists, lookups, vouched
from fraud_scorer.ledger.audit.archived import Archived
from fraud_scorer.ledger.audit.findings import NO_CHAIN, Finding, Kind
from fraud_scorer.ledger.audit.projections import Key, Row, Rows
from fraud_scorer.ledger.chain import began_at
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.entries import Acted, Entry
from fraud_scorer.ledger.rows import column


@dataclass
class _Table:
    """One of them, and which acts vouch for its rows."""

    where: str
    rows: Rows
    vouches: Callable[[str], bool]
    """By the name of an act."""
    lasting: bool
    """Whether rows outlive the month of their act."""


class Acts:
    """What is left of these tables to be compared."""

    def __init__(self, connection: Connection, archived: Archived | None, since: datetime) -> None:
        """`since`: what came before is not in Postgres any more."""
        self._archived = dict(archived.acts) if archived is not None else None
        self._since = since
        self._words: list[tuple[Key, Acted]] = []
        """On lists, that are not there."""
        self._looks: list[tuple[Key, str]] = []
        """That say an erased person's digest only."""
        self._erasures: list[tuple[Key, Acted]] = []
        self._remembered = set(
            connection.execute("SELECT subject_sha256, erased_at FROM erasures").fetchall()
        )
        self._labels = _Table(
            "Postgres, labels",
            Rows(connection, "labels", labels.COLUMNS),
            lambda action: action == labels.ACTION,
            lasting=True,
        )
        self._lists = _Table(
            "Postgres, list_entries",
            Rows(connection, "list_entries", lists.COLUMNS),
            lambda action: action.startswith(lists.ACTION),
            lasting=True,
        )
        self._log = _Table(
            "Postgres, access_log",
            Rows(connection, "access_log", "accessed_at, principal, action, about, found"),
            lambda action: action.startswith(lookups.ACTION),
            lasting=False,
        )

    def check(self, chain: UUID, sequence: int, entry: Entry) -> Iterator[Finding]:
        """What is wrong with the rows of that entry, and with those before them."""
        key = (chain, sequence)
        act = entry if isinstance(entry, Acted) else None
        if act is not None and self._archived is not None:
            self._archived.pop(key, None)
        for table in (self._labels, self._lists, self._log):
            for orphan, rows in table.rows.before(key):
                yield from self._check_orphan(table, orphan, rows)
            found = table.rows.at(key)
            if act is not None and table.vouches(act.action):
                yield from self._check_rows(table, key, act, found)
            elif found:
                yield _added(table, key, len(found))
        if act is not None and act.action == erasure.ACTION:
            self._erasures.append((key, act))

    def rest(self) -> Iterator[Finding]:
        """Rows beyond the last entry, what only the archive knows of, and what needs all erasures
        to be judged."""
        for table in (self._labels, self._lists, self._log):
            for orphan, rows in table.rows.before(None):
                yield from self._check_orphan(table, orphan, rows)
        for key, act in (self._archived or {}).items():
            if act.action == erasure.ACTION:
                self._erasures.append((key, act))
            for table in (self._labels, self._lists):
                if table.vouches(act.action):
                    yield from self._check_rows(table, key, act, [])
        yield from self._check_erased()

    def _check_orphan(self, table: _Table, key: Key, rows: list[Row]) -> Iterator[Finding]:
        """Rows whose act is not in Postgres."""
        if table.lasting and key[0] != NO_CHAIN:
            if self._archived is None and began_at(key[0]) < self._since:
                return  # its month was dropped, and nothing is there to hold it against
            if self._archived is not None and (act := self._archived.pop(key, None)) is not None:
                yield from self._check_rows(table, key, act, rows)
                return
        yield _added(table, key, len(rows))

    def _check_rows(
        self, table: _Table, key: Key, act: Acted, found: list[Row]
    ) -> Iterator[Finding]:
        if table is self._log:
            if not found and act.at < table.rows.since:
                return
            yield from self._check_look(key, act, found)
            return
        if "sha256" not in act.detail:  # of a release whose acts vouch for no rows
            if found:
                yield _added(table, key, len(found))
            return
        if table is self._lists and not found:
            self._words.append((key, act))
        elif not vouched.holds(act.detail, found):
            yield _misfit(table, key, int(act.detail["rows"]), len(found))

    def _check_look(self, key: Key, act: Acted, found: list[Row]) -> Iterator[Finding]:
        if len(found) != 1:
            yield _misfit(self._log, key, 1, len(found))
            return
        accessed_at, principal, action, about, count = found[0]
        wanted = (act.at, column(act.principal), act.action, act.detail.get("found"))
        right = (accessed_at, principal, lookups.ACTION + action, count) == wanted
        if about == erasure.ERASED + act.about:
            self._looks.append((key, act.about))
        else:
            right = right and lookups.looked_at(about) == act.about
        if not right:
            yield _misfit(self._log, key, 1, 1)

    def _check_erased(self) -> Iterator[Finding]:
        """What is only right where somebody was erased."""
        persons: dict[str, datetime] = {}
        for _, act in self._erasures:
            persons[act.about] = max(act.at, persons.get(act.about, act.at))
        looked = {act.detail.get("looks") for _, act in self._erasures}
        for key, act in self._words:
            if act.about not in persons or persons[act.about] < act.at:
                yield _misfit(self._lists, key, 1, 0)
        for key, about in self._looks:
            if about not in looked:
                yield _misfit(self._log, key, 1, 1)
        yield from self._check_remembered()

    def _check_remembered(self) -> Iterator[Finding]:
        """The table of erasures, by which what arrives late is emptied."""
        where = "Postgres, erasures"
        recorded = {(bytes.fromhex(act.about), act.at): key for key, act in self._erasures}
        for erased, key in recorded.items():
            if erased not in self._remembered:
                yield Finding(Kind.REMOVED, where, *key, "the row of this erasure is missing")
        known = self._archived is not None
        added = [
            one for one in self._remembered
            if one not in recorded and (known or one[1] >= self._since)
        ]  # fmt: skip
        if added:
            message = f"{len(added)} rows are of erasures that never were"
            yield Finding(Kind.ADDED, where, NO_CHAIN, -1, message)


def _added(table: _Table, key: Key, count: int) -> Finding:
    message = f"no act vouches for {'this row' if count == 1 else f'{count} rows'}"
    return Finding(Kind.ADDED, table.where, key[0], key[1], message)


def _misfit(table: _Table, key: Key, wanted: int, there: int) -> Finding:
    if there < wanted:
        kind, message = Kind.REMOVED, f"{wanted - there} of {wanted} rows are missing"
    elif there > wanted:
        kind, message = Kind.ADDED, f"there are {there - wanted} rows more than were written"
    else:
        kind, message = Kind.CHANGED, "it is not what was written"
    return Finding(kind, table.where, *key, message)
