"""Verification of everything: the archive, Postgres, and each by the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.audit import archived as in_archive
from fraud_scorer.ledger.audit import hot as in_postgres
from fraud_scorer.ledger.audit.findings import Finding
from fraud_scorer.ledger.audit.hot import Hot
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.seals import Verifier


@dataclass
class Verdict:
    """What was looked at, and what is wrong."""

    findings: list[Finding] = field(default_factory=list)
    segments: int = 0
    """Of the archive, each held against its seal."""
    pending: int = 0
    """Of those, how many wait for Postgres."""
    chains: int = 0
    entries: int = 0
    """In Postgres."""
    erased: int = 0
    """Transactions whose person was erased."""
    archive_checked: bool = False
    postgres_checked: bool = False

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(
    database: Database | None,
    archive: Archive | None,
    verifier: Verifier | None,
    *,
    subject_kind: str = "customer",
) -> Verdict:
    """Read all that is given and compare it. Raises DatabaseError and StoreError.

    Without an archive, whoever may write to Postgres could have written a chain anew: then only
    what is inconsistent is found.
    """
    verdict = Verdict()
    archived = None
    if archive is not None and verifier is not None:
        archived = in_archive.gather(archive, verifier, verdict.findings)
        verdict.findings += in_archive.check(archived)
        verdict.segments, verdict.pending = archived.segments, len(archived.pending)
        verdict.archive_checked = True
    if database is not None:
        looked = Hot()
        with database.connect() as connection:
            verdict.findings += in_postgres.check(
                connection, archived, looked, subject_kind=subject_kind
            )
        verdict.chains, verdict.entries, verdict.erased = (
            looked.chains, looked.entries, looked.erased,
        )  # fmt: skip
        verdict.postgres_checked = True
    return verdict
