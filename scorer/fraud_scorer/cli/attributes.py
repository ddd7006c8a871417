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
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.cli.importing import add_import, import_files

if TYPE_CHECKING:
    from fraud_scorer.ledger.database import Connection

SUMMARY = "import what is told of customers, terminals and the like"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `attributes`."""
    add_import(parser, help="add the attributes in files", description=__doc__)


def run(options: argparse.Namespace) -> int:
    """Import; 0 when all are there."""
    from fraud_scorer.ledger import attributes

    def take(connection: Connection, file: Path) -> str:
        found = attributes.read(file, datetime.now(UTC))
        told = attributes.add(connection, found, by=options.by)
        return f"{told.new} new, {told.known} known already"

    return import_files(options, take)
