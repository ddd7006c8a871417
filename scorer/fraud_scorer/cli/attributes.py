"""Import what is told of entities from elsewhere, for features of the kind `lookup`.

A file is CSV with the header entity_kind,entity_id,name,value,observed_at (*.csv), or has a JSON
object with these fields a line. value is a number or a text; in CSV what reads as a number is one.
observed_at is since when it is so, as RFC 3339 with an offset: a transaction sees what was observed
by its time. All of a file is added, or nothing of it; what is there already is passed over. Kept
features know it within features.cacheTTL.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from fraud_scorer.cli import records
from fraud_scorer.cli.terminal import fail

SUMMARY = "import what is told of customers, terminals and the like"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `attributes`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("import", help="add the attributes in files", description=__doc__)
    add.add_argument("files", type=Path, nargs="+", metavar="FILE")
    records.add_postgres(add)
    records.add_principal(add)


def run(options: argparse.Namespace) -> int:
    """Import; 0 when all are there."""
    from fraud_scorer.ledger import attributes
    from fraud_scorer.ledger.database import DatabaseError
    from fraud_scorer.ledger.files import WrongLine

    try:
        with records.database(options, "attributes import").connect() as connection:
            for file in options.files:
                told = attributes.add(
                    connection, attributes.read(file, datetime.now(UTC)), by=options.by,
                    software=version("fraudops"),
                )  # fmt: skip
                print(f"{file}: {told.new} new, {told.known} known already")
    except (DatabaseError, WrongLine) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    return 0
