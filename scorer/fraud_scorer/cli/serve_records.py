"""Options of `serve` about stores and records, and what becomes of them.

Stores are the folders of mounted Secrets. What would not be heeded as it stands is refused.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fraud_scorer.cli import values

if TYPE_CHECKING:
    from fraud_scorer.http.settings import RecordSettings, RuleSettings, StoreSettings

T = TypeVar("T")

_DURABILITIES = ("Spooled", "Committed", "Async")
_POLICIES = ("block", "degrade")
LIMIT = 1 << 30
DATA = "fraud-scorer.sqlite"
NONE = "none"

_OF = {
    "features_ttl": "redis",
    "redis_timeout": "redis",
    "history_timeout": "redis",
    "history_connections": "redis",
    "lookup_connections": "postgres",
    "records_limit": "records",
    "durability": "records",
    "when_full": "records",
    "archive": "records",
    "archive_credentials": "archive",
    "seal_key": "archive",
    "archive_retention": "archive",
    "spill_after": "records",
    "ship_grace": "records",
    "random_approvals_key": "random_approvals",
    "random_approvals_max": "random_approvals",
}
"""Options that say something only beside another one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    stores = parser.add_argument_group("stores and features")
    add = stores.add_argument
    add("--detector", metavar="NAME", help="whose records these are (default: the host's name)")
    add(
        "--redis",
        type=Path,
        metavar="DIR",
        help="a mounted Secret: uri, or host, port, username, password, tls (true), ca.crt",
    )
    add(
        "--postgres",
        type=Path,
        metavar="DIR",
        help="a mounted Secret: uri, or host, port, dbname, username, password, sslmode",
    )
    add(
        "--features-ttl",
        type=values.seconds,
        metavar="SECONDS",
        help="how long an entity that is not seen stays in Redis (default: 3600)",
    )
    for store, seconds, what in (("redis", 0.005, "Redis"), ("history", 0.02, "Postgres")):
        add(
            f"--{store}-timeout",
            type=values.seconds,
            metavar="SECONDS",
            help=f"how long an answer waits for {what} before it does without"
            f" (default: {seconds:g})",
        )
    add(
        "--history-connections",
        type=values.count,
        metavar="N",
        help="of each process to Postgres, for histories that Redis has not (default: 2; 0: such"
        " are not known)",
    )
    add(
        "--lookup-connections",
        type=values.count,
        metavar="N",
        help="of each process to Postgres, for labels, look-ups and lists (default: 1; 0: there are"
        " none of these)",
    )
    _add_records(parser)
    parser.add_argument_group("embedded default, for a laptop").add_argument(
        "--data",
        metavar="FILE|none",
        help="where a MODEL is served without Redis, Postgres and --records: features are kept in"
        f" memory, and records in this SQLite file (default: {DATA}); none: neither",
    )
    rules = parser.add_argument_group("decisions besides thresholds")
    add = rules.add_argument
    add("--lists", action="store_true", help="heed allow and deny lists")
    add(
        "--random-approvals",
        type=_share,
        metavar="SHARE",
        help="the share of what would be declined that is approved on purpose, such as 0.01"
        " (default: 0, none is)",
    )
    add("--random-approvals-key", type=Path, metavar="FILE", help="at least 32 secret bytes")
    add(
        "--random-approvals-max",
        type=values.count,
        metavar="AMOUNT",
        help="nothing above that amount (in the currency's minor unit) is approved so",
    )


def _add_records(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("records").add_argument
    add("--records", type=Path, metavar="DIR", help="the spool: every answer is recorded there")
    add(
        "--records-limit",
        type=values.size,
        metavar="SIZE",
        help="what the spool may hold (default: 1Gi)",
    )
    add(
        "--durability",
        choices=_DURABILITIES,
        help="an answer is sent once its record is in the kernel's memory (Spooled, the default),"
        " on the disk (Committed), or at once (Async)",
    )
    add(
        "--when-full",
        choices=_POLICIES,
        help="what a full spool means: no answer (block, the default), or one that says that it is"
        " not recorded (degrade)",
    )
    add(
        "--archive",
        type=Path,
        metavar="FILE",
        help="where sealed segments go: a store's location as JSON; goes with --seal-key",
    )
    add("--archive-credentials", type=Path, metavar="DIR", help="a mounted Secret for it")
    add(
        "--archive-retention",
        type=values.days_or_file,
        metavar="DAYS|FILE",
        help="lock what is archived for so long (7y), where the bucket has Object Lock",
    )
    add("--seal-key", type=Path, metavar="FILE", help="an Ed25519 private key (PEM)")
    add(
        "--subject",
        metavar="KIND",
        help="the kind of entity that a person is (default: customer)",
    )
    add(
        "--spill-after",
        type=values.seconds,
        metavar="SECONDS",
        help="how long Postgres may be away before the archive takes its part (default: 30)",
    )
    add(
        "--ship-grace",
        type=values.seconds,
        metavar="SECONDS",
        help="how long to go on shipping after everything is answered (default: 25)",
    )


def embedded(options: argparse.Namespace) -> Path | None:
    """The file of the embedded default; None where there is none. What serves a plan, and what has
    a store or a spool, has none."""
    if options.plan is not None or _stores(options) or options.data == NONE:
        return None
    return Path(options.data or DATA)


def _stores(options: argparse.Namespace) -> list[str]:
    """What stands in its place."""
    return [name for name in ("redis", "postgres", "records") if getattr(options, name) is not None]


def _contradiction_of_data(options: argparse.Namespace) -> str:
    if options.data is not None and options.data != NONE:
        if options.plan is not None:
            return "--data is for a MODEL on a laptop, not for --plan: leave it out"
        if stores := _stores(options):
            return f"--data stands in for stores, and there is {_flag(stores[0])}: leave one out"
    if options.processes > 1 and (data := embedded(options)) is not None:
        return (
            f"--processes {options.processes}: features in memory and {data} are one process's:"
            " give --redis and --postgres for more, or --data none to keep nothing"
        )
    return ""


def contradiction(options: argparse.Namespace) -> str:
    """What is wrong with options that would not be heeded; empty: nothing."""
    if problem := _contradiction_of_data(options):
        return problem
    for name, needed in _OF.items():
        if getattr(options, name) is not None and getattr(options, needed) is None:
            return f"{_flag(name)} says nothing without {_flag(needed)}: give that too"
    recorded = options.records is not None or options.postgres is not None or embedded(options)
    if options.subject is not None and not recorded:
        return "--subject says nothing without --records or --postgres: give one of them"
    for name in ("history_connections", "history_timeout"):
        if getattr(options, name) is not None and options.postgres is None:
            return f"{_flag(name)} says nothing without --postgres: give that too"
    if options.lists and options.postgres is None:
        return "--lists are kept in Postgres: give --postgres too"
    if options.lists and options.lookup_connections == 0:
        return "--lists are read by --lookup-connections: allow one at least"
    if options.records is not None and (problem := _contradiction_of_records(options)):
        return problem
    return _contradiction_of_draws(options)


def _contradiction_of_records(options: argparse.Namespace) -> str:
    from fraud_scorer.ledger.writer import Recording

    if options.postgres is None:
        return "--records end up in Postgres: give --postgres too"
    if options.archive is not None and not options.archive.is_file():
        return f"--archive {options.archive} is no file: give one that has the location as JSON"
    if (options.archive is None) != (options.seal_key is None):
        return "--archive and --seal-key go together: give both, or neither"
    if options.archive_retention is not None:
        try:
            values.changing_days(options.archive_retention)
        except (OSError, argparse.ArgumentTypeError) as error:
            return f"--archive-retention: {error}; give a period, or a file that holds one"
    least = 2 * options.processes * Recording().segment_bytes
    limit = options.records_limit or LIMIT
    if limit < least:
        return (
            f"--records-limit {limit} is too small for {options.processes} processes: each needs"
            f" room for two segments, which are {least} bytes altogether"
        )
    return ""


def _share(text: str) -> str:
    """As it was written; empty where it is zero: nothing is drawn then."""
    try:
        return text if Decimal(text) else ""
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no decimal share, such as 0.01") from None


def _contradiction_of_draws(options: argparse.Namespace) -> str:
    if not options.random_approvals:
        return ""
    for name in ("random_approvals_key", "random_approvals_max"):
        if getattr(options, name) is None:
            return f"--random-approvals needs {_flag(name)}: give that too"
    from fraud_scorer.decisions.random_approvals import RandomApprovals

    try:
        key = options.random_approvals_key.read_bytes()
        RandomApprovals(key, options.random_approvals, options.random_approvals_max)
    except (OSError, ValueError) as error:
        return f"--random-approvals: {error}"
    return ""


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def store_settings(options: argparse.Namespace) -> StoreSettings:
    """What a serving process is to know of stores."""
    from fraud_scorer.http.settings import StoreSettings

    return StoreSettings(
        detector=options.detector or "",
        redis=options.redis,
        postgres=options.postgres,
        features_ttl=_or(options.features_ttl, 3600.0),
        redis_timeout=_or(options.redis_timeout, 0.005),
        history_timeout=_or(options.history_timeout, 0.02),
        history_connections=_or(options.history_connections, 2),
        lookup_connections=_or(options.lookup_connections, 1),
        subject=options.subject or "customer",
        archive=options.archive,
        archive_credentials=options.archive_credentials,
        seal_key=options.seal_key,
    )


def record_settings(options: argparse.Namespace) -> RecordSettings | None:
    """How it records; None where it does not."""
    from fraud_scorer.http.settings import RecordSettings
    from fraud_scorer.ledger.writer import Recording

    if options.records is None:
        return None
    return RecordSettings(
        folder=options.records,
        limit=options.records_limit or LIMIT,
        detector=options.detector or socket.gethostname(),
        recording=Recording(
            durability=options.durability or "Spooled", when_full=options.when_full or "block"
        ),
    )


def rule_settings(options: argparse.Namespace) -> RuleSettings:
    """What decides besides the thresholds."""
    from fraud_scorer.http.settings import RuleSettings

    return RuleSettings(
        lists=options.lists,
        share=options.random_approvals or "0",
        key=options.random_approvals_key if options.random_approvals else None,
        most_minor=_or(options.random_approvals_max, 0),
    )


def shipping(options: argparse.Namespace) -> list[str]:
    """The arguments of `fraud-scorer ship` beside this service; empty: it records nothing."""
    return list(_shipping(options)) if options.records is not None else []


def ship_grace(options: argparse.Namespace) -> float:
    """How long shipping may go on at the end."""
    return float(_or(options.ship_grace, 25.0))


def _shipping(options: argparse.Namespace) -> Iterator[str]:
    yield from ("ship", f"--spool={options.records}", f"--postgres={options.postgres}")
    yield f"--spool-limit={options.records_limit or LIMIT}"
    yield f"--subject={options.subject or 'customer'}"
    yield f"--spill-after={_or(options.spill_after, 30.0):g}"
    yield f"--grace={ship_grace(options):g}"
    yield f"--log-level={options.log_level}"
    if options.archive is not None:
        yield from (f"--archive={options.archive}", f"--seal-key={options.seal_key}")
    if options.archive_credentials is not None:
        yield f"--store-credentials={options.archive_credentials}"
    if options.archive_retention is not None:
        yield f"--retention={options.archive_retention}"


def _or(given: T | None, otherwise: T) -> T:
    return otherwise if given is None else given
