"""Serve models over HTTP.

Models are those that a plan names (as the operator writes them: it is followed while the service
runs), or one that stays: the version in a folder, or a compiled file (.fdm; made by `fraud-scorer
compile`, it has no golden transactions to prove itself by). The service is ready once golden
transactions came out as published in each of its processes.

One that stays has an embedded default for a laptop: where neither Redis nor Postgres is given,
features are kept in memory, and records in a file (--data).

A pod that follows a plan waits for what it cannot have, and says on its management port what that
is. With --records a further process ships what is recorded, and is told to stop after all others.
A folder or file that is not what was published, or computes something else here, ends the
service: the exit code is 3 and the termination log holds the verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.artifact.plan import PlanError
from fraud_scorer.cli import serve_records, termination, values

if TYPE_CHECKING:
    from fraud_scorer.artifact.plan import StoreLocation
    from fraud_scorer.artifact.store import Store
    from fraud_scorer.counters import Slot
    from fraud_scorer.following.pod import Pod
    from fraud_scorer.following.token import Token
    from fraud_scorer.http.worker import Load
    from fraud_scorer.registry.source import Source

SUMMARY = "serve models over HTTP"

_USAGE = 2
_CREDENTIALS_FOLDER = "/etc/fraudops/store-credentials"
_BACKUP_CREDENTIALS_FOLDER = "/etc/fraudops/backup-credentials"
_OF_A_PLAN = {
    "state": "--state",
    "management_token": "--management-token",
    "siblings": "--siblings",
    "store_credentials": "--store-credentials",
    "backup_credentials": "--backup-credentials",
}

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--plan", type=Path, metavar="FILE", help="a model plan, which is followed when it changes"
    )
    what.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="a version's folder, or MODEL.fdm"
    )
    add = parser.add_argument
    add("--listen", type=values.address, default="127.0.0.1:8080", metavar="HOST:PORT")
    add("--management", type=values.address, default="127.0.0.1:9090", metavar="HOST:PORT")
    termination.add_log(parser)
    add(
        "--store-credentials",
        type=Path,
        metavar="DIR",
        help="with a plan: a mounted Secret with accessKeyID and secretAccessKey (for GCS key.json,"
        " for a volume token), and ca.crt for a private authority; without such a folder, what the"
        f" cloud gives this process (default: {_CREDENTIALS_FOLDER})",
    )
    add(
        "--backup-credentials",
        type=Path,
        metavar="DIR",
        help="with a plan: the same for its backup, which is asked where the store does not give"
        f" what is needed (default: {_BACKUP_CREDENTIALS_FOLDER})",
    )
    add(
        "--thresholds",
        type=values.thresholds,
        metavar="review=R,decline=D",
        help="without a plan: in place of the manifest's; of MODEL.fdm by default 0.50 and 0.90",
    )
    add("--work-dir", type=Path, metavar="DIR", help="for files on their way into memory")
    _add_following(parser)
    add(
        "--processes",
        type=values.positive,
        default=1,
        metavar="N",
        help="how many processes answer: one a core that they may use (default: %(default)s)",
    )
    add("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    add("--worker", type=values.worker, help=argparse.SUPPRESS)
    _add_times(parser)
    _add_limits(parser)
    serve_records.add_arguments(parser)


def _add_following(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--state",
        type=Path,
        metavar="DIR",
        help="with a plan: where plan and files are kept, for a container that is started anew",
    )
    add(
        "--management-token",
        type=Path,
        metavar="DIR",
        help="with a plan: a mounted Secret whose `token` lets callers of the management port push"
        " plans and ask for models; without it nobody can",
    )
    add(
        "--siblings",
        type=values.address,
        metavar="HOST:PORT",
        help="with a plan and a token: the other pods' management ports, by a name that has all of"
        " their addresses; asked for a later plan, and for files that the store does not give",
    )


def _add_times(parser: argparse.ArgumentParser) -> None:
    for name, default, text in (
        ("--drain", 5.0, "how long to go on answering after SIGTERM"),
        ("--shutdown", 20.0, "how long to wait for requests under way after that"),
        ("--patience", 2.0, "turn a transaction away that waited so long"),
        ("--max-lag", 0.5, "turn a request away, unread, that waited so long in its socket"),
        ("--head-timeout", 10.0, "how long a request's header may take to arrive"),
        ("--body-timeout", 10.0, "how long its body may take after that"),
        ("--keep-alive", 75.0, "how long a connection may wait for its next request"),
        ("--max-connection-age", 120.0, "after which the next answer is a connection's last"),
    ):
        parser.add_argument(
            name,
            type=values.seconds,
            default=default,
            metavar="SECONDS",
            help=f"{text} (default: %(default)g)",
        )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for name, default, unit, text in (
        ("--max-head", 16 * 1024, "BYTES", "of request line and header fields"),
        ("--max-body", 256 * 1024, "BYTES", "of a body"),
        ("--max-pipelined", 64, "N", "requests read from a connection while one is not answered"),
    ):
        parser.add_argument(
            name,
            type=values.positive,
            default=default,
            metavar=unit,
            help=f"{text} (default: %(default)s)",
        )


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop; see the module for exit codes."""
    from fraud_scorer import logs
    from fraud_scorer.registry.source import from_path

    if problem := _contradiction(options) or serve_records.contradiction(options):
        print(f"fraud-scorer: {problem}", file=sys.stderr)
        return _USAGE
    try:
        source = None if options.plan else from_path(options.model, options.thresholds)
    except PlanError as error:
        print(f"fraud-scorer: {error}", file=sys.stderr)
        return _USAGE

    logs.configure(options.log_level)
    if options.worker is None and (data := serve_records.embedded(options)) is not None:
        _log.warning(
            "features in memory, records in %s: the embedded default, which is for a laptop. For"
            " production apply a FraudDetector, which runs Redis and Postgres; to keep nothing,"
            " give --data none",
            data.absolute(),
        )
    try:
        return _supervise(options) if options.worker is None else _work(options, source)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"fraud-scorer: {where}{error.strerror or error}"
        print(message, file=sys.stderr)
        _leave_behind(options, message.encode())
        return 1


def _contradiction(options: argparse.Namespace) -> str:
    """What is wrong with options that would not be heeded; empty: nothing."""
    if options.plan is None:
        if given := sorted(name for name in _OF_A_PLAN if getattr(options, name) is not None):
            return f"{_OF_A_PLAN[given[0]]} is for --plan: leave it out"
    elif options.thresholds is not None:
        return "a plan has its own thresholds: leave out --thresholds"
    elif options.siblings is not None and options.management_token is None:
        return "--siblings are asked with a token: give --management-token too"
    return ""


def _supervise(options: argparse.Namespace) -> int:
    """Be the parent: start the serving processes, and see to them."""
    from fraud_scorer.counters import SharedCounters
    from fraud_scorer.http.children import Children
    from fraud_scorer.http.sockets import address, bind, reserve

    with (
        reserve(options.listen) as listening,
        bind(options.management) as management,
        _folder(options) as folder,
    ):
        addresses = {"listen": address(listening), "management": address(management)}
        counters = SharedCounters(options.processes)
        children = Children([*options.arguments, f"--listen={addresses['listen']}"], counters.file)
        started = [children.start(index) for index in range(options.processes)]
        import uvloop  # now that they are on their way, what only the parent needs

        from fraud_scorer.following.token import Token
        from fraud_scorer.http.shipping import Shipping
        from fraud_scorer.http.supervisor import Place, Supervisor
        from fraud_scorer.ledger.spool import Spool

        places = [
            Place(index, slot, children.start, child)
            for index, (slot, child) in enumerate(zip(counters.slots, started, strict=True))
        ]
        token = Token(options.management_token) if options.management_token else None
        pod = None
        if folder is not None:
            pod = _pod(options, folder, counters.slots, token, addresses["management"])
        shipping = None
        if arguments := serve_records.shipping(options):
            spool = Spool(options.records, options.records_limit or serve_records.LIMIT)
            shipping = Shipping(arguments, serve_records.ship_grace(options), spool)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(
                Supervisor(places, addresses, pod, token, shipping).run(
                    management, drain=options.drain, shutdown=options.shutdown
                )
            )


@contextlib.contextmanager
def _folder(options: argparse.Namespace) -> Iterator[Path | None]:
    """Where the files of a plan's models are kept; None without a plan. Raises OSError."""
    if options.plan is None:
        yield None
    elif options.state is not None:
        options.state.mkdir(parents=True, exist_ok=True)
        yield options.state / "blobs"
    else:
        with tempfile.TemporaryDirectory(prefix="fraud-scorer-", dir=options.work_dir) as folder:
            yield Path(folder)


def _pod(
    options: argparse.Namespace,
    folder: Path,
    slots: Sequence[Slot],
    token: Token | None,
    management: str,
) -> Pod:
    """What follows the plan."""
    from fraud_scorer.following.pod import Pod
    from fraud_scorer.following.siblings import Siblings
    from fraud_scorer.tally import counts

    def opening(credentials: Path) -> Callable[[StoreLocation], Store]:
        def opened(location: StoreLocation) -> Store:
            from fraud_scorer.artifact.opening import open_mounted  # SDKs take a while to import

            return open_mounted(location, credentials)

        return opened

    siblings = None
    if options.siblings is not None and token is not None:
        siblings = Siblings(options.siblings, token, management)
    return Pod(
        options.plan,
        blobs=folder,
        state=options.state,
        open_store=opening(options.store_credentials or Path(_CREDENTIALS_FOLDER)),
        open_backup=opening(options.backup_credentials or Path(_BACKUP_CREDENTIALS_FOLDER)),
        siblings=siblings,
        count=lambda: counts(slots),
        processes=options.processes,
    )


def _work(options: argparse.Namespace, source: Source | None) -> int:
    """Be a serving process, in the place that the parent gave."""
    import uvloop

    from fraud_scorer.counters import slot
    from fraud_scorer.http.connection import ConnectionLimits
    from fraud_scorer.http.limits import Limits
    from fraud_scorer.http.settings import Settings
    from fraud_scorer.http.worker import work
    from fraud_scorer.registry.refusal import (
        EXIT_CODE,
        KeptFeaturesMissing,
        Refused,
        termination_message,
    )

    settings = Settings(
        listen=options.listen,
        drain=options.drain,
        shutdown=options.shutdown,
        patience=options.patience,
        lag=options.max_lag,
        limits=Limits(body_bytes=options.max_body, body_seconds=options.body_timeout),
        connections=ConnectionLimits(
            head_bytes=options.max_head,
            head_seconds=options.head_timeout,
            body_seconds=options.body_timeout,
            idle_seconds=options.keep_alive,
            age_seconds=options.max_connection_age,
            pipelined=options.max_pipelined,
        ),
        stores=serve_records.store_settings(options),
        records=serve_records.record_settings(options),
        rules=serve_records.rule_settings(options),
        data=serve_records.embedded(options),
    )

    place, memory, control = options.worker
    try:
        with (
            socket.socket(fileno=control) as parent,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(work(settings, _loading(options, source), parent, slot(memory, place)))
    except KeptFeaturesMissing as error:
        _log.error("the model cannot be served", extra={"error": str(error)})
        _leave_behind(options, str(error).encode())
        return 1
    except Refused as refused:
        _log.error("refused", extra={"verdict": refused.verdict})
        _leave_behind(options, termination_message(refused.verdict))
        return EXIT_CODE
    return 0


def _leave_behind(options: argparse.Namespace, message: bytes) -> None:
    """Say in the termination log why the process ends, where there is one."""
    try:
        termination.leave(options, message)
    except OSError as error:  # the exit code tells all the same
        _log.error(
            "the termination log cannot be written",
            extra={"file": str(error.filename), "error": error.strerror},
        )


def _loading(options: argparse.Namespace, source: Source | None) -> Load | None:
    """How a process gets its model; None where it does as its parent says."""
    from fraud_scorer.registry.loader import load_patiently

    if source is None:
        return None
    return lambda waiting: load_patiently(source, workspace=options.work_dir, waiting=waiting)
