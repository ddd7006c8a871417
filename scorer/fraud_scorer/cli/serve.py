"""Serve one model over HTTP.

The model is the one that a plan names (as the operator writes them), the version in a folder, or a
compiled file (.fdm; made by `fraud-scorer compile`, it has no golden transactions to prove itself
by). The service is ready once the model's golden transactions came out as published in each of its
processes. Where the artifact is not what was published, or computes something else here, the exit
code is 3 and the termination log holds the verdict; while the store is away, it is waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.artifact.plan import PlanError
from fraud_scorer.cli import values

if TYPE_CHECKING:
    from fraud_scorer.registry.source import Source

SUMMARY = "serve one model over HTTP"

_USAGE = 2
_CREDENTIALS_FOLDER = "/etc/fraudops/store-credentials"
_TERMINATION_LOG = "/dev/termination-log"

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", type=Path, metavar="FILE", help="a model plan")
    what.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="a version's folder, or MODEL.fdm"
    )
    add = parser.add_argument
    add("--listen", type=values.address, default="127.0.0.1:8080", metavar="HOST:PORT")
    add("--management", type=values.address, default="127.0.0.1:9090", metavar="HOST:PORT")
    add(
        "--termination-log",
        type=Path,
        metavar="FILE",
        help=f"where a verdict goes (default: {_TERMINATION_LOG}, where there is one)",
    )
    add(
        "--store-credentials",
        type=Path,
        default=_CREDENTIALS_FOLDER,
        metavar="DIR",
        help="a mounted Secret with accessKeyID and secretAccessKey; without such a folder, what"
        " the cloud gives this process (default: %(default)s)",
    )
    add(
        "--thresholds",
        type=values.thresholds,
        metavar="review=R,decline=D",
        help="without a plan: in place of the manifest's; of MODEL.fdm by default 0.50 and 0.90",
    )
    add("--work-dir", type=Path, metavar="DIR", help="for files on their way into memory")
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
    from fraud_scorer.registry.source import from_path, from_plan

    if options.plan is not None and options.thresholds is not None:
        print(
            "fraud-scorer: a plan has its own thresholds: leave out --thresholds", file=sys.stderr
        )
        return _USAGE
    try:
        source = (
            from_plan(options.plan, options.store_credentials)
            if options.plan is not None
            else from_path(options.model, options.thresholds)
        )
    except PlanError as error:
        print(f"fraud-scorer: {error}", file=sys.stderr)
        return _USAGE

    logs.configure(options.log_level)
    try:
        return _supervise(options) if options.worker is None else _work(options, source)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"fraud-scorer: {where}{error.strerror or error}", file=sys.stderr)
        return 1


def _supervise(options: argparse.Namespace) -> int:
    """Be the parent: start the serving processes, and see to them."""
    from fraud_scorer.counters import SharedCounters
    from fraud_scorer.http.children import Children
    from fraud_scorer.http.sockets import address, bind, reserve

    with reserve(options.listen) as listening, bind(options.management) as management:
        addresses = {"listen": address(listening), "management": address(management)}
        counters = SharedCounters(options.processes)
        children = Children([*options.arguments, f"--listen={addresses['listen']}"], counters.file)
        started = [children.start(index) for index in range(options.processes)]
        import uvloop  # now that they are on their way, what only the parent needs

        from fraud_scorer.http.supervisor import Place, Supervisor

        places = [
            Place(index, slot, children.start, child)
            for index, (slot, child) in enumerate(zip(counters.slots, started, strict=True))
        ]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(
                Supervisor(places, addresses).run(
                    management, drain=options.drain, shutdown=options.shutdown
                )
            )


def _work(options: argparse.Namespace, source: Source) -> int:
    """Be a serving process, in the place that the parent gave."""
    import uvloop

    from fraud_scorer.counters import slot
    from fraud_scorer.http.connection import ConnectionLimits
    from fraud_scorer.http.limits import Limits
    from fraud_scorer.http.settings import Settings
    from fraud_scorer.http.worker import Waiting, work
    from fraud_scorer.registry.loaded import LoadedModel
    from fraud_scorer.registry.loader import load_patiently
    from fraud_scorer.registry.refusal import EXIT_CODE, Refused, write_termination_message

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
    )

    async def load(waiting: Waiting) -> LoadedModel:
        return await load_patiently(source, workspace=options.work_dir, waiting=waiting)

    place, memory, control = options.worker
    try:
        with (
            socket.socket(fileno=control) as parent,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(work(settings, load, parent, slot(memory, place)))
    except Refused as refused:
        _log.error("refused", extra={"verdict": refused.verdict})
        log = options.termination_log or Path(_TERMINATION_LOG)
        if options.termination_log or log.exists():
            try:
                write_termination_message(refused.verdict, log)
            except OSError as error:  # the exit code tells all the same
                _log.error(
                    "the termination log cannot be written",
                    extra={"file": str(log), "error": error.strerror},
                )
        return EXIT_CODE
    return 0
