"""Give out a mounted volume, on which models are published, over HTTP.

One pod mounts the volume; the operator, verifications and scorer pods ask that one, each with the
token. Whoever may copy files into the pod publishes: a version is a folder below --root.
Nothing outside of --root is reached, by no path and by no link.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from fraud_scorer.cli import values
from fraud_scorer.cli.terminal import USAGE, fail

SUMMARY = "give out a mounted volume of models over HTTP"

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `volume`."""
    add = parser.add_argument
    add("--root", required=True, type=Path, metavar="DIR", help="where the volume is mounted")
    add("--token", required=True, type=Path, metavar="DIR", help="a mounted Secret with token")
    add("--listen", type=values.address, default="127.0.0.1:8088", metavar="HOST:PORT")
    add(
        "--max-file",
        type=values.size,
        default="8Gi",
        metavar="SIZE",
        help="how large a file may be that is written (default: %(default)s)",
    )
    for name, default, text in (
        ("--silence", 30.0, "how long a file that is being written may not get on"),
        ("--shutdown", 20.0, "how long to wait for requests under way after SIGTERM"),
    ):
        add(
            name,
            type=values.seconds,
            default=default,
            metavar="SECONDS",
            help=f"{text} (default: %(default)g)",
        )
    add("--log-level", choices=["debug", "info", "warning", "error"], default="info")


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 2 where there is no such folder, 1 on a taken port."""
    import uvloop

    from fraud_scorer import logs

    if not options.root.is_dir():
        return fail(f"--root {options.root} is not a folder: mount the volume there", USAGE)
    logs.configure(options.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options))
    except OSError as error:
        return fail(str(error.strerror or error))
    return 0


async def _serve(options: argparse.Namespace) -> None:
    from fraud_scorer.artifact.directory import DirectoryStore
    from fraud_scorer.following.token import Token
    from fraud_scorer.http.server import running
    from fraud_scorer.http.sockets import address, bind
    from fraud_scorer.http.stopping import Stop
    from fraud_scorer.http.volume import volume

    stop = Stop((signal.SIGTERM, signal.SIGINT))
    application = volume(
        DirectoryStore(options.root, confined=True),
        Token(options.token),
        largest=options.max_file,
        silence=options.silence,
    )
    with bind(options.listen) as listening:
        async with running(application, listening, options.shutdown):
            _log.info("ready", extra={"root": str(options.root), "listen": address(listening)})
            await stop.asked.wait()
            _log.info("stopping")
