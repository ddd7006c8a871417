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

from fraud_scorer.cli import records
from fraud_scorer.cli.terminal import fail

SUMMARY = "import labels: chargebacks, confirmed frauds, cleared suspicions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `labels`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("import", help="add the labels in files", description=__doc__)
    add.add_argument("files", type=Path, nargs="+", metavar="FILE")
    records.add_postgres(add)
    records.add_principal(add)


def run(options: argparse.Namespace) -> int:
    """Import; 0 when all are there."""
    from fraud_scorer.ledger import labels
    from fraud_scorer.ledger.database import DatabaseError
    from fraud_scorer.ledger.files import WrongLine

    try:
        with records.database(options, "labels import").connect() as connection:
            for file in options.files:
                found = labels.read(file, datetime.now(UTC))
                done = labels.add(connection, found, by=options.by)
                print(
                    f"{file}: {done.new} new, {done.known} known already; {done.unmatched} of the"
                    " new ones are of transactions that are not (yet) recorded"
                )
    except (DatabaseError, WrongLine) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    return 0
