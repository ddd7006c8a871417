"""Erase a person: everything personal that was recorded of KIND=ID, such as customer=c-17.

What was decided stays, with a commitment that says nothing about anybody, so that `audit verify`
finds nothing wrong. Connect as the owner of the tables (a member of PREFIX_owner). What is in
backups of Postgres is not erased: let them expire.
"""

from __future__ import annotations

import argparse

from fraud_scorer.cli import records, values
from fraud_scorer.cli.terminal import fail

SUMMARY = "erase what is personal of somebody"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `erase`."""
    parser.add_argument(
        "entity", type=values.entity, metavar="KIND=ID", help="such as customer=c-17"
    )
    records.add_subject(parser)
    records.add_postgres(parser)
    records.add_principal(parser)


def run(options: argparse.Namespace) -> int:
    """Erase; 0 when it is done."""
    from fraud_scorer.ledger.database import DatabaseError
    from fraud_scorer.ledger.erasure import erase

    kind, who = options.entity
    try:
        with records.database(options, "erase").connect() as connection:
            done = erase(
                connection, kind, who, subject_kind=options.subject, principal=options.by
            )  # fmt: skip
    except (DatabaseError, ValueError) as error:
        return fail(str(error))
    print(
        f"erased: {done.transactions} transactions in Postgres, {done.listed} words on lists;"
        f" {'the key to the archive is deleted' if done.key_deleted else 'no key in the archive'}"
    )
    return 0
