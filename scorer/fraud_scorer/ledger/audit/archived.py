"""The archive held against its seals, and the seals against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from uuid import UUID

from fraud_scorer.artifact.store import FileMissing
from fraud_scorer.ledger import archive as archives
from fraud_scorer.ledger import erasure, labels, lists, seals
from fraud_scorer.ledger.archive import Archive, DamagedFile, Line, SegmentName
from fraud_scorer.ledger.audit.findings import Finding, Kind, Placed, check_links
from fraud_scorer.ledger.chain import origin
from fraud_scorer.ledger.entries import Acted, Answered, Entry, decode
from fraud_scorer.ledger.seals import Seal, SealError, Verifier

_WHERE = "archive"
_AN_ACT = b'"kind":"acted"'
KEPT = (labels.ACTION, erasure.ACTION)
"""Acts upon what outlives their month in Postgres, beside those upon lists."""


@dataclass
class Archived:
    """What the archive vouches for."""

    archive: Archive
    seals: dict[UUID, list[Seal]] = field(default_factory=dict)
    """Of each chain, in order; only those that are believed."""
    digests: dict[tuple[str, int], str] = field(default_factory=dict)
    """Of each seal, by log and place."""
    pending: frozenset[SegmentName] = frozenset()
    listed: frozenset[SegmentName] = frozenset()
    """Whose seals were there when the archive was read, good or bad."""
    segments: int = 0
    acts: dict[tuple[UUID, int], Acted] = field(default_factory=dict)
    """What people did to labels and lists, and erasures."""

    def __post_init__(self) -> None:
        self._lines = lru_cache(maxsize=4)(self._read)

    def lines(self, seal: Seal) -> list[Line]:
        """A segment's lines. Raises FileMissing, and DamagedFile."""
        return self._lines(SegmentName(UUID(seal.chain), seal.number))

    def line(self, chain: UUID, sequence: int) -> Line | None:
        """An entry; None where no segment that can be read has it."""
        for seal in self.seals.get(chain, ()):
            if seal.first <= sequence < seal.first + seal.count:
                try:
                    return self.lines(seal)[sequence - seal.first]
                except (FileMissing, DamagedFile, IndexError):
                    return None
        return None

    def end(self, chain: UUID) -> int:
        """The sequence after the last one that is sealed and not pending."""
        ends = [
            seal.first + seal.count
            for seal in self.seals.get(chain, ())
            if SegmentName(chain, seal.number) not in self.pending
        ]
        return max(ends, default=0)

    def sealed_since(self, chain: UUID) -> int:
        """How many seals a chain got after the archive was read: those who record go on."""
        return sum(name.chain == chain for name in {*self.archive.sealed()} - self.listed)

    def _read(self, name: SegmentName) -> list[Line]:
        return archives.from_lines(self.archive.segment(name))


def gather(archive: Archive, verifier: Verifier, findings: list[Finding]) -> Archived:
    """Read all seals. Before Postgres is looked at: what is sealed by now must be there then."""
    found = Archived(archive)
    names = archive.sealed()
    found.listed = frozenset(names)
    for name in names:
        try:
            data = archive.seal(name)
            seal = verifier.read(data)
        except SealError as error:
            findings.append(_finding(Kind.BAD_SEAL, name, f"seal {name.number}: {error}"))
            continue
        if (seal.chain, seal.number) != (str(name.chain), name.number):
            other = f"seal {name.number} is that of segment {seal.number} of {seal.chain}"
            findings.append(_finding(Kind.BAD_SEAL, name, other))
            continue
        found.seals.setdefault(name.chain, []).append(seal)
        found.digests[seal.log, seal.place] = seals.digest(data)
    found.pending = frozenset(archive.all_pending())
    return found


def check(found: Archived) -> Iterator[Finding]:
    """Everything that is wrong in the archive."""
    yield from _check_logs(found)
    for chain, sealed in found.seals.items():
        yield from _check_order(chain, sealed)
        for seal in sealed:
            found.segments += 1
            yield from _check_segment(found, chain, seal)


def _check_logs(found: Archived) -> Iterator[Finding]:
    """Seals are numbered across chains: a gap is a segment, or a chain, of which all is gone."""
    logs: dict[str, list[Seal]] = defaultdict(list)
    for sealed in found.seals.values():
        for seal in sealed:
            logs[seal.log].append(seal)
    for log, made in logs.items():
        made.sort(key=lambda one: one.place)
        if made[0].place != 0:
            yield _gap(log, 0, made[0])
        for before, seal in pairwise(made):
            if seal.place != before.place + 1:
                yield _gap(log, before.place + 1, seal)
            elif seal.after != found.digests[log, before.place]:
                yield _seal_finding(
                    Kind.BAD_SEAL, before, f"seal {before.number} is not the one that was made"
                )


def _gap(log: str, first: int, seal: Seal) -> Finding:
    missing = seal.place - first
    return _seal_finding(
        Kind.MISSING_SEAL, seal,
        f"{missing} of the seals that shipper {log} made before this chain's seal {seal.number} are"
        " missing: segments, or a whole chain, were removed",
    )  # fmt: skip


def _check_order(chain: UUID, sealed: Sequence[Seal]) -> Iterator[Finding]:
    number, first, previous = 0, 0, origin(chain).hex()
    for seal in sealed:
        if seal.number != number:
            yield _seal_finding(
                Kind.MISSING_SEAL, seal,
                f"the seals from {number} to {seal.number - 1} are missing",
            )  # fmt: skip
        elif (seal.first, seal.previous) != (first, previous):
            yield _seal_finding(
                Kind.BAD_SEAL, seal, f"seal {seal.number} does not follow the one before it"
            )
        number, first, previous = seal.number + 1, seal.first + seal.count, seal.last


def _check_segment(found: Archived, chain: UUID, seal: Seal) -> Iterator[Finding]:
    where = f"{_WHERE}, segment {seal.number}"
    name = SegmentName(chain, seal.number)
    yield from _check_personal(found, name, seal)
    try:
        lines = archives.from_lines(data := found.archive.segment(name))
    except FileMissing:
        yield Finding(Kind.MISSING_SEGMENT, where, chain, seal.first, "it was removed")
        return
    except DamagedFile as error:
        yield Finding(Kind.CHANGED, where, chain, seal.first, str(error))
        return
    if _AN_ACT in data:
        _gather_acts(found, chain, seal, lines)
    if archives.sha256(data) == seal.sha256:
        return  # the very bytes that were sealed
    wrong = list(_compared(where, chain, seal, lines))
    yield from wrong or [
        Finding(Kind.CHANGED, where, chain, seal.first, "it is not what was sealed")
    ]


def _check_personal(found: Archived, name: SegmentName, seal: Seal) -> Iterator[Finding]:
    """What lies beside the lines. What waits for Postgres is archived when it gets there."""
    if name in found.pending:
        return
    where = f"{_WHERE}, personal {seal.number}"
    try:
        data = found.archive.personal(name)
    except FileMissing:
        if seal.personal or _has_personal(found, seal):
            yield Finding(Kind.MISSING_PERSONAL, where, name.chain, seal.first, "it was removed")
    except DamagedFile as error:
        yield Finding(Kind.CHANGED, where, name.chain, seal.first, str(error))
    else:
        if seal.personal and archives.sha256(data) != seal.personal:
            yield Finding(Kind.CHANGED, where, name.chain, seal.first, "it is not what was sealed")


def _has_personal(found: Archived, seal: Seal) -> bool:
    """Whether something personal belongs to a segment's lines."""
    try:
        lines = found.lines(seal)
    except (FileMissing, DamagedFile):
        return False  # that is told of the segment
    return any(isinstance(one := _read(line.body), Answered) and one.personal for line in lines)


def _gather_acts(found: Archived, chain: UUID, seal: Seal, lines: Sequence[Line]) -> None:
    for sequence, line in enumerate(lines, start=seal.first):
        act = _read(line.body) if _AN_ACT in line.body else None
        if isinstance(act, Acted) and (act.action in KEPT or act.action.startswith(lists.ACTION)):
            found.acts[chain, sequence] = act


def _read(body: bytes) -> Entry | None:
    """An entry; None for what is none, which is told of by its hash."""
    try:
        return decode(body)
    except ValueError:
        return None


def _compared(where: str, chain: UUID, seal: Seal, lines: Sequence[Line]) -> Iterable[Finding]:
    """In which way the lines differ from what was sealed."""
    placed = [Placed(seal.first + at, line.body, line.hash) for at, line in enumerate(lines)]
    wrong = list(
        check_links(where, chain, placed, first=seal.first, previous=bytes.fromhex(seal.previous))
    )
    missing = seal.count - len(lines)
    if missing > 0 and not wrong:
        yield Finding(
            Kind.TRUNCATED, where, chain, seal.first + len(lines),
            f"the last {missing} of {seal.count} entries are missing",
        )  # fmt: skip
    elif missing > 0:
        yield Finding(
            Kind.REMOVED, where, chain, wrong[0].sequence,
            f"{missing} of {seal.count} entries are missing from here on",
        )  # fmt: skip
    else:
        yield from wrong


def _finding(kind: Kind, name: SegmentName, message: str) -> Finding:
    return Finding(kind, _WHERE, name.chain, -1, message)


def _seal_finding(kind: Kind, seal: Seal, message: str) -> Finding:
    return Finding(kind, _WHERE, UUID(seal.chain), -1, message)
