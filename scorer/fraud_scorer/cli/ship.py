"""Ship records from the spool to Postgres and to the archive, until told to stop (SIGTERM).

Run one beside the processes that serve, on the same spool, and stop it after them: it goes on for
--grace seconds until everything is in Postgres or in the archive. Exit code 1 says that something
stayed in the spool.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.cli import records, values
from fraud_scorer.cli.terminal import USAGE, fail

if TYPE_CHECKING:
    from fraud_scorer.ledger.archive import Archive

_GIVES_WAY = 5
"""What serves on the same processors goes first, but does not take all, or the spool would fill up:
of a processor that one of each wants this leaves a quarter."""

SUMMARY = "ship records from the spool to Postgres and the archive"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ship`."""
    add = parser.add_argument
    add("--spool", type=Path, required=True, metavar="DIR")
    add("--spool-limit", type=values.size, default="1Gi", metavar="SIZE", help="default: 1Gi")
    records.add_postgres(parser)
    records.add_archive(parser)
    add(
        "--seal-key",
        type=Path,
        metavar="FILE",
        help="an Ed25519 private key (PEM) to seal with; goes with --archive",
    )
    add(
        "--retention",
        type=values.changing_days,
        metavar="DAYS|FILE",
        help="put what is archived under Object Lock (governance) for so long, such as 2555d or 7y,"
        " where the bucket has it; a file that says it is read again when it changes",
    )
    add(
        "--subject",
        default="customer",
        metavar="KIND",
        help="the kind of entity that a person is (default: %(default)s)",
    )
    for name, default, text in (
        ("--spill-after", 30.0, "how long Postgres may be away before the archive takes its part"),
        ("--grace", 25.0, "how long to go on after SIGTERM"),
    ):
        add(name, type=values.seconds, default=default, metavar="SECONDS",
            help=f"{text} (default: %(default)g)")  # fmt: skip
    add("--child", action="store_true", help=argparse.SUPPRESS)
    add("--log-level", choices=["debug", "info", "warning", "error"], default="info")


def run(options: argparse.Namespace) -> int:
    """Ship until SIGTERM."""
    from fraud_scorer import logs
    from fraud_scorer.artifact.store import StoreError
    from fraud_scorer.ledger.database import DatabaseError
    from fraud_scorer.ledger.seals import SealError, signer_from
    from fraud_scorer.ledger.shipper import Shipper, Shipping
    from fraud_scorer.ledger.spool import Spool, SpoolTaken

    if options.retention and options.archive is None:
        return fail("--retention says nothing without --archive: give that too", USAGE)
    if (options.archive is None) != (options.seal_key is None):
        return fail("--archive and --seal-key go together: give both, or neither", USAGE)
    logs.configure(options.log_level)
    if options.child:
        os.nice(_GIVES_WAY)
    try:
        shipper = Shipper(
            Spool(options.spool, options.spool_limit),
            records.database(options, "ship"),
            _archive(options),
            signer_from(options.seal_key) if options.seal_key else None,
            Shipping(
                subject_kind=options.subject, spill_after=options.spill_after, grace=options.grace
            ),
        )
    except (DatabaseError, StoreError, SealError, ValueError) as error:
        return fail(str(error), USAGE)
    except (SpoolTaken, OSError) as error:
        return fail(str(error))
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    if options.child:
        threading.Thread(target=_outlive, args=[stop], daemon=True).start()
    return 0 if shipper.run(stop) else 1


def _archive(options: argparse.Namespace) -> Archive | None:
    if not options.archive:
        return None
    archive = records.archive(options, make=True)
    return archive.keeping(options.retention) if options.retention else archive


def _outlive(stop: threading.Event) -> None:
    """Stop when the parent says so or is gone: it holds the other end of standard input."""
    os.read(0, 1)  # nothing is ever written there
    stop.set()
