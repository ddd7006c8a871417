"""Bring the schema of the records' database up to date, with its roles and partitions.

Run it before scorers of a new release start; those of the release before go on working. Several at
once do it once. The connection is that of a superuser, or of a role with CREATEROLE that may make
tables; with --no-roles everything is owned by the role that connects.

The two logins (PREFIX_scorer_a and _b) take turns: --login-password gives one of them a password,
read from a file, and lets it log in.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from fraud_scorer.cli import records
from fraud_scorer.cli.terminal import USAGE, fail, say

SUMMARY = "bring the records' database up to date"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `migrate`."""
    records.add_postgres(parser)
    add = parser.add_argument
    add("--no-roles", action="store_true", help="make no roles and grant nothing")
    add("--role-prefix", default="fraudops", metavar="PREFIX", help="default: %(default)s")
    add(
        "--entity",
        action="append",
        default=[],
        metavar="KIND",
        help="have an index to read the histories of such entities by, such as terminal; for the"
        " customer (user_id) there always is one",
    )
    add(
        "--login-password",
        action="append",
        default=[],
        type=_password,
        metavar="LOGIN=FILE",
        help="let a login in with the password in that file",
    )


def run(options: argparse.Namespace) -> int:
    """Migrate; 0 when the schema is up to date."""
    from fraud_scorer.ledger import partitions
    from fraud_scorer.ledger.database import DatabaseError
    from fraud_scorer.ledger.entity_indexes import index_entities
    from fraud_scorer.ledger.migrate import migrate
    from fraud_scorer.ledger.roles import Roles, grant, make_roles

    try:
        roles = None if options.no_roles else Roles(options.role_prefix)
        passwords = {login: _read(file) for login, file in options.login_password}
        if unknown := passwords.keys() - set(roles.logins if roles else ()):
            known = " and ".join(roles.logins) if roles else "none, because of --no-roles"
            return fail(f"there is no login {sorted(unknown)[0]}; there are: {known}", USAGE)
    except (ValueError, OSError) as error:
        return fail(str(error), USAGE)
    try:
        with records.database(options, "migrate").connect() as connection:
            if roles is not None:
                make_roles(connection, roles, passwords)
            applied = migrate(connection, roles, progress=say)
            index_entities(connection, roles, options.entity)
            if roles is not None:
                grant(connection, roles)
            partitions.make(connection, partitions.months_ahead(datetime.now(UTC)))
    except DatabaseError as error:
        return fail(str(error))
    print(f"applied: {', '.join(applied)}" if applied else "up to date")
    return 0


def _password(text: str) -> tuple[str, Path]:
    login, _, file = text.partition("=")
    if not login or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not like fraudops_scorer_a=FILE")
    return login, Path(file)


def _read(file: Path) -> str:
    password = file.read_text(encoding="utf-8").strip("\r\n")
    if not password:
        raise ValueError(f"{file} is empty: write the password into it")
    return password
