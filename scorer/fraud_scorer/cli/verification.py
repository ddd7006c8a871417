"""What the programs of a verification have in common: how they end.

A verdict leaves `judge` alone, with exit code 0. Exit code 4 is for all that says nothing about the
version; what it is goes to the termination log, as JSON that cannot be taken for a verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from fraud_scorer.artifact.store import Unavailable
from fraud_scorer.artifact.verdict import Inconclusive, Verdict, encode
from fraud_scorer.cli import termination, values
from fraud_scorer.cli.terminal import fail
from fraud_scorer.verification.refusal import Undecided

UNDECIDED = 4
"""The exit code."""


def add_patience(parser: argparse.ArgumentParser) -> None:
    """The option for how long to bear with a store."""
    parser.add_argument(
        "--patience",
        type=values.seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long a store that is away is asked again (default: %(default)g)",
    )


def decided(options: argparse.Namespace, work: Callable[[], None]) -> int:
    """Do the work; 0, or what to end with where nothing is known of the version."""
    try:
        work()
    except (Undecided, Unavailable) as error:
        leave(options, Inconclusive(reason=error.reason, message=str(error)))
        return fail(f"{error.reason}: {error}", UNDECIDED)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        leave(options, Inconclusive(reason="MachineTrouble", message=message))
        return fail(message, UNDECIDED)
    return 0


def leave(options: argparse.Namespace, said: Verdict | Inconclusive) -> None:
    """Leave the last word where the kubelet picks it up. Raises OSError."""
    termination.leave(options, encode(said))
