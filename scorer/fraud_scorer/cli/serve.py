"""Serve one model over HTTP.

The model is the one that a plan names (as the operator writes them), the version in a folder, or a
compiled file (.fdm; made by `fraud-scorer compile`, it has no golden transactions to prove itself
by). The process is ready once the model's golden transactions came out as published. Where the
artifact is not what was published, or computes something else here, the exit code is 3 and the
termination log holds the verdict; while the store is away, the process waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from fraud_scorer.artifact.plan import PlanError
from fraud_scorer.cli import values

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
        "--drain",
        type=values.seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to go on answering after SIGTERM (default: %(default)g)",
    )
    add(
        "--shutdown",
        type=values.seconds,
        default=20.0,
        metavar="SECONDS",
        help="how long to wait for requests under way after that (default: %(default)g)",
    )
    add(
        "--patience",
        type=values.seconds,
        default=2.0,
        metavar="SECONDS",
        help="turn a transaction away that waited so long (default: %(default)g)",
    )
    add("--max-body", type=values.positive, default=256 * 1024, metavar="BYTES")
    add("--log-level", choices=["debug", "info", "warning", "error"], default="info")


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop; see the module for exit codes."""
    import uvloop

    from fraud_scorer import logs
    from fraud_scorer.http.limits import Limits
    from fraud_scorer.http.readiness import Readiness
    from fraud_scorer.http.server import Settings, serve
    from fraud_scorer.registry.loaded import LoadedModel
    from fraud_scorer.registry.loader import load_patiently
    from fraud_scorer.registry.refusal import EXIT_CODE, Refused, write_termination_message
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
    settings = Settings(
        listen=options.listen,
        management=options.management,
        drain=options.drain,
        shutdown=options.shutdown,
        patience=options.patience,
        limits=Limits(body_bytes=options.max_body),
    )

    async def load(readiness: Readiness) -> LoadedModel:
        return await load_patiently(
            source, workspace=options.work_dir, waiting=readiness.set_not_ready
        )

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings, load))
    except Refused as refused:
        _log.error("refused", extra={"verdict": refused.verdict})
        log = options.termination_log or Path(_TERMINATION_LOG)
        if options.termination_log or log.exists():
            write_termination_message(refused.verdict, log)
        return EXIT_CODE
    except OSError as error:
        print(f"fraud-scorer: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0
