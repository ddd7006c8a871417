"""The action `import` of what is told of transactions and entities: files into Postgres."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.cli import records
from fraud_scorer.cli.terminal import fail

if TYPE_CHECKING:
    from fraud_scorer.ledger.database import Connection


def add_import(parser: argparse.ArgumentParser, *, help: str, description: str | None) -> None:
    """The action and what it takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("import", help=help, description=description)
    add.add_argument("files", type=Path, nargs="+", metavar="FILE")
    records.add_postgres(add)
    records.add_principal(add)


def import_files(options: argparse.Namespace, take: Callable[[Connection, Path], str]) -> int:
    """Have each file taken, and say what `take` says of it; 0 when all are there."""
    from fraud_scorer.ledger.database import DatabaseError
    from fraud_scorer.ledger.files import WrongLine

    try:
        with records.database(options, f"{options.command} import").connect() as connection:
            for file in options.files:
                print(f"{file}: {take(connection, file)}")
    except (DatabaseError, WrongLine) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    return 0
