"""Import what turned out to be true of transactions, from files.

A file is CSV with the header transaction_id,label,event_time,observed_at,source (*.csv), or has a
JSON object with these fields a line. label is chargeback, confirmed or cleared; times are RFC 3339
with an offset; observed_at is when the source knew. All of a file is added, or nothing of it.
Labels that are there already are passed over, so a file can be imported again.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.cli.importing import add_import, import_files

if TYPE_CHECKING:
    from fraud_scorer.ledger.database import Connection

SUMMARY = "import labels: chargebacks, confirmed frauds, cleared suspicions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `labels`."""
    add_import(parser, help="add the labels in files", description=__doc__)


def run(options: argparse.Namespace) -> int:
    """Import; 0 when all are there."""
    from fraud_scorer.ledger import labels

    def take(connection: Connection, file: Path) -> str:
        found = labels.read(file, datetime.now(UTC))
        done = labels.add(connection, found, by=options.by)
        return (
            f"{done.new} new, {done.known} known already; {done.unmatched} of the"
            " new ones are of transactions that are not (yet) recorded"
        )

    return import_files(options, take)
