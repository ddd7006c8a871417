"""Verify the records, look into them, and keep Postgres to what is hot.

  verify    find what was changed, removed, reordered or truncated, in Postgres and in the archive
  show      everything known about a transaction
  history   a user's transactions, newest first
  accesses  who looked at a transaction or a user
  retain    keep Postgres as it should be, once a day: make partitions ahead, forget old idempotency
            keys, drop months that are older than --hot and sealed in --archive

Each look is logged. `verify` exits with 1 where something is wrong; `retain` where a month that
should go must stay, or what is to stay has no room in --storage.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from fraud_scorer.cli import records, values
from fraud_scorer.cli.terminal import USAGE, fail

if TYPE_CHECKING:
    from fraud_scorer.ledger.storage import Room

SUMMARY = "verify the records, and look into them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `audit`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    verify = actions.add_parser("verify", help="find what was tampered with")
    records.add_archive(verify)
    records.add_public_keys(verify)
    records.add_subject(verify)
    verify.add_argument("--no-postgres", action="store_true", help="look at the archive only")
    verify.add_argument("--json", action="store_true", help="print the result as JSON")

    show = actions.add_parser("show", help="everything known about a transaction")
    show.add_argument("transaction_id", metavar="TRANSACTION")
    show.add_argument(
        "--around",
        type=values.moment,
        metavar="TIME",
        help="about when it was answered: look into the archive, a day to both sides",
    )
    records.add_archive(show)
    records.add_public_keys(show)

    history = actions.add_parser("history", help="a user's transactions")
    history.add_argument("user_id", metavar="USER")
    history.add_argument("--before", type=values.moment, metavar="TIME")
    history.add_argument("--limit", type=values.positive, default=100, metavar="N")

    accesses = actions.add_parser("accesses", help="who looked")
    accesses.add_argument("about", metavar="TRANSACTION|USER")

    retain = actions.add_parser("retain", help="keep Postgres as it should be, once a day")
    retain.add_argument(
        "--hot",
        type=values.days,
        default="90d",
        metavar="DAYS",
        help="how long records stay in Postgres, with --archive (default: 90d)",
    )
    retain.add_argument(
        "--storage",
        type=values.size,
        metavar="SIZE",
        help="what Postgres' volume has, such as 100Gi: say whether --hot fits into it",
    )
    records.add_archive(retain)
    records.add_public_keys(retain)

    for action in (verify, show, history, accesses, retain):
        records.add_postgres(action)
        records.add_principal(action)


def run(options: argparse.Namespace) -> int:
    """Do it; 0 when done, and nothing is wrong."""
    from fraud_scorer.artifact.store import StoreError
    from fraud_scorer.ledger.archive import DamagedFile
    from fraud_scorer.ledger.database import DatabaseError
    from fraud_scorer.ledger.seals import SealError

    if bool(getattr(options, "archive", None)) != bool(getattr(options, "public_key", None)):
        return fail("--archive and --public-key go together: give both, or neither", USAGE)
    try:
        return _ACTIONS[options.action](options)
    except (DatabaseError, StoreError, DamagedFile, SealError, ValueError) as error:
        return fail(str(error))


def _verify(options: argparse.Namespace) -> int:
    from fraud_scorer.ledger.audit import verify
    from fraud_scorer.ledger.seals import verifier_from

    if options.no_postgres and not options.archive:
        return fail("--no-postgres leaves nothing to look at: give --archive", USAGE)
    verdict = verify(
        None if options.no_postgres else records.database(options, "audit verify"),
        records.archive(options) if options.archive else None,
        verifier_from(options.public_key) if options.archive else None,
        subject_kind=options.subject,
    )
    if options.json:
        print(msgspec.json.encode(verdict, enc_hook=str).decode())
        return 0 if verdict.clean else 1
    for finding in verdict.findings:
        print(finding)
    looked = []
    if verdict.postgres_checked:
        looked.append(f"{verdict.entries:,} entries of {verdict.chains} chains in Postgres")
    if verdict.archive_checked:
        looked.append(f"{verdict.segments} sealed segments ({verdict.pending} pending)")
    what = " and ".join(looked)
    if not verdict.archive_checked:
        what += "; without the archive's seals a chain that was written anew would not be found"
    print(
        f"{'nothing is wrong' if verdict.clean else f'{len(verdict.findings)} things are wrong'}:"
        f" {what}"
    )
    return 0 if verdict.clean else 1


def _show(options: argparse.Namespace) -> int:
    from fraud_scorer.ledger import lookups, old_records
    from fraud_scorer.ledger.seals import verifier_from

    if (options.around is None) != (options.archive is None):
        return fail("--around and --archive go together: give both, or neither", USAGE)
    with records.database(options, "audit show").connect() as connection:
        known = lookups.transaction(connection, options.transaction_id, principal=options.by)
        if options.archive:
            old = old_records.transaction(
                connection,
                records.archive(options),
                verifier_from(options.public_key),
                options.transaction_id,
                around=options.around,
                principal=options.by,
            )
            known = lookups.with_archived(known, old)
    if not known.answers and not known.labels:
        return fail(
            f"nothing is known of {options.transaction_id!r}; what is older than Postgres keeps is"
            " found with --archive and --around"
        )
    _print(known)
    return 0


def _history(options: argparse.Namespace) -> int:
    from fraud_scorer.ledger import lookups

    with records.database(options, "audit history").connect() as connection:
        found = lookups.history(
            connection, options.user_id, principal=options.by,
            before=options.before, limit=options.limit,
        )  # fmt: skip
    for one in found:
        _print(one, indent=0)
    return 0


def _accesses(options: argparse.Namespace) -> int:
    from fraud_scorer.ledger import lookups

    with records.database(options, "audit accesses").connect() as connection:
        for one in lookups.accesses(connection, options.about):
            _print(one, indent=0)
    return 0


def _retain(options: argparse.Namespace) -> int:
    from fraud_scorer.ledger import idempotency, partitions, storage
    from fraud_scorer.ledger.retention import Retired, retire
    from fraud_scorer.ledger.seals import verifier_from

    done, room = Retired((), ()), None
    with records.database(options, "audit retain").connect() as connection:
        partitions.make(connection, partitions.months_ahead(datetime.now(UTC)))
        print(f"partitions are there up to {partitions.months(connection)[-1]:%Y-%m}")
        print(f"forgot {idempotency.forget_old(connection)} idempotency keys")
        if options.archive:
            done = retire(
                connection, records.archive(options), verifier_from(options.public_key),
                hot=options.hot,
            )  # fmt: skip
        if options.storage:
            room = storage.room(connection, hot=options.hot, storage=options.storage)
    for month in done.dropped:
        print(f"dropped {month:%Y-%m}")
    for kept in done.kept:
        print(f"kept {kept.month:%Y-%m}: {kept.reason}")
    if room is not None:
        print(_said_of(room, options.hot))
    return 1 if done.kept or (room is not None and not room.enough) else 0


def _said_of(room: Room, hot: timedelta) -> str:
    used, there, a_day, needed = (
        f"{size >> 20:,} Mi" for size in (room.used, room.storage, room.a_day, room.needed)
    )
    found = f"Postgres takes {used} of {there}, {a_day} a day; {hot.days} days take {needed}"
    if room.enough:
        return found
    return f"{found}, which is too much: give it a larger volume, or keep fewer days (--hot)"


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "verify": _verify,
    "show": _show,
    "history": _history,
    "accesses": _accesses,
    "retain": _retain,
}


def _print(what: Any, *, indent: int = 2) -> None:
    text = msgspec.json.encode(what)
    print((msgspec.json.format(text, indent=indent) if indent else text).decode())
