"""Put entities on the allow and deny lists, take them off, and see who is on them.

  add     KIND=ID, such as customer=c-17, on a list: until --expires, or until it is removed
  remove  take it off again
  show    who is on the lists now; with --history all that was ever said, by whom and why

A deny list declines whatever the model says; an allow list approves what the model would not. Deny
beats allow. Nothing is overwritten: each word stays, with who said it. Serving processes know it a
few seconds later. `remove` exits with 1 where the entity is not on the list.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import msgspec

from fraud_scorer.cli import records, values
from fraud_scorer.cli.terminal import fail

SUMMARY = "the allow and deny lists: add, remove, show"

_LISTS = ("allow", "deny")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `lists`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="put an entity on a list")
    remove = actions.add_parser("remove", help="take an entity off a list")
    for action in (add, remove):
        action.add_argument("list", choices=_LISTS)
        action.add_argument("entity", type=values.entity, metavar="KIND=ID")
        action.add_argument("--reason", required=True, help="kept with it, for whoever asks why")
    add.add_argument(
        "--expires",
        type=values.moment,
        metavar="TIME",
        help="from when on it holds no more, such as 2026-01-31T12:00:00Z; default: never",
    )
    show = actions.add_parser("show", help="who is on the lists; the look is logged")
    show.add_argument("entity", type=values.entity, nargs="?", metavar="KIND=ID")
    show.add_argument("--list", choices=_LISTS, help="that list only")
    show.add_argument("--kind", help="entities of that kind only")
    show.add_argument("--history", action="store_true", help="all that was ever said")
    show.add_argument("--after", type=int, default=0, metavar="N", help="what follows word N")
    show.add_argument("--limit", type=values.positive, default=100, metavar="N")
    for action in (add, remove, show):
        records.add_postgres(action)
        records.add_principal(action)


def run(options: argparse.Namespace) -> int:
    """Do it; 0 when done."""
    from fraud_scorer.ledger.database import DatabaseError

    try:
        return _show(options) if options.action == "show" else _say(options)
    except DatabaseError as error:
        return fail(str(error))
    except msgspec.ValidationError as error:
        return fail(f"this cannot be on a list: {error}")


def _say(options: argparse.Namespace) -> int:
    from fraud_scorer.ledger import lists

    kind, who = options.entity
    word = msgspec.convert(
        {
            "list": options.list, "action": options.action, "kind": kind, "id": who,
            "reason": options.reason, "expires_at": getattr(options, "expires", None),
        },
        lists.Word,
    )  # fmt: skip
    if wrong := lists.check(word, datetime.now(UTC)):
        return fail(f"--expires {wrong}: give a time to come")
    with records.database(options, f"lists {options.action}").connect() as connection:
        taken = lists.say(connection, [word], by=options.by)
    if taken.not_listed:
        return fail(f"{kind}={who} is not on the {options.list} list")
    if options.action == "remove":
        print(f"{kind}={who} is off the {options.list} list")
    else:
        until = f"until {word.expires_at.isoformat()}" if word.expires_at else "until it is removed"
        print(f"{kind}={who} is on the {options.list} list, {until}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from fraud_scorer.ledger import lists

    kind, who = options.entity or (options.kind, None)
    with records.database(options, "lists show").connect() as connection:
        found = lists.look(
            connection, principal=options.by, list=options.list, kind=kind, id=who,
            history=options.history, after=options.after, limit=options.limit,
        )  # fmt: skip
    for one in found:
        print(msgspec.json.encode(one).decode())
    return 0
