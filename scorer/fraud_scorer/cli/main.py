"""`fraud-scorer`: compile, publish, verify, serve and back up models, ask them why, measure them;
give out a volume of models; keep and audit the records of what was answered.

Exit codes: 0 done; 1 failed, the message says why; 2 wrong usage or configuration; 3 (`serve`) the
artifact was refused; 4 (`fetch`, `compile --bare`, `judge`) nothing is known about the version.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from fraud_scorer.cli import (
    attributes,
    audit,
    backup,
    bench,
    compile,
    erase,
    explain,
    fetch,
    judge,
    labels,
    lists,
    migrate,
    publish,
    serve,
    ship,
    volume,
)

_COMMANDS = {
    "compile": compile,
    "publish": publish,
    "fetch": fetch,
    "judge": judge,
    "serve": serve,
    "explain": explain,
    "backup": backup,
    "bench": bench,
    "volume": volume,
    "migrate": migrate,
    "ship": ship,
    "labels": labels,
    "attributes": attributes,
    "lists": lists,
    "audit": audit,
    "erase": erase,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="fraud-scorer", description="Real-time fraud scores.")
    parser.add_argument("--version", action="version", version=version("fraudops"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in _COMMANDS.items():
        module.add_arguments(
            commands.add_parser(
                name,
                help=module.SUMMARY,
                description=module.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    options = parser.parse_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)
    return int(_COMMANDS[options.command].run(options))


if __name__ == "__main__":
    sys.exit(main())
