"""The last word of a program that runs in a pod: where the kubelet picks it up."""

from __future__ import annotations

import argparse
from pathlib import Path

_TERMINATION_LOG = Path("/dev/termination-log")


def add_log(parser: argparse.ArgumentParser) -> None:
    """The option for where it goes."""
    parser.add_argument(
        "--termination-log",
        type=Path,
        metavar="FILE",
        help=f"where the last word goes (default: {_TERMINATION_LOG}, where there is one)",
    )


def leave(options: argparse.Namespace, said: bytes) -> None:
    """Leave it, in less than 4,096 bytes. Raises OSError."""
    log: Path = options.termination_log or _TERMINATION_LOG
    if options.termination_log or log.exists():
        log.write_bytes(said)
