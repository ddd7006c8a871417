"""Whether anybody changed what was recorded: `verify` reads the archive and Postgres, and says."""

from fraud_scorer.ledger.audit.verify import Verdict, verify

__all__ = ["Verdict", "verify"]
