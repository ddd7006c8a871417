"""`kubectl fraud`: look at a detector, see beforehand what a change does, find what is missing, and
ask for what only a person decides.

kubectl runs it as a plugin, because its name on the PATH is kubectl-fraud. It changes nothing but
one annotation, by which a person asks the operator. docs/kubectl-fraud.md describes commands and
exit statuses.

What a command needs is imported when that command runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn

from fraud_operator.cli.exits import Exit, Failure

Command = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]
_EPILOG = "Exit status 1: wrong arguments, or the answer cannot be had; stderr says why."


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `kubectl-fraud`."""
    arguments = _parser().parse_args(argv)
    try:
        command: Command = arguments.command()
        return asyncio.run(command(arguments))
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `kubectl fraud status cards | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.ERROR


class _Parser(argparse.ArgumentParser):
    """Exit status 2 is argparse's for wrong arguments; here it says that something was found."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.ERROR, f"error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kubectl fraud",
        description="Look at FraudDetectors, at what a change would do, and ask the operator for"
        " what only a person decides.",
        epilog=_EPILOG,
    )
    _add_cluster(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_status(commands)
    _add_plan(commands)
    _add_doctor(commands)
    _add_history(commands)
    _add_requests(commands)
    return parser


def _add_status(commands: Any) -> None:
    parser = commands.add_parser(
        "status",
        help="a detector with its model, its children, its pods and its conditions",
        description="Show a detector with all that belongs to it, as a tree.",
        epilog="Exit status 0: Ready. 3: not ready yet, or suspended. 4: stalled, a person has to"
        f" act. 5: there is no such detector. {_EPILOG}",
    )
    parser.add_argument("name", metavar="NAME", help="of the FraudDetector")
    _add_common(parser)
    parser.set_defaults(command=_status)


def _add_plan(commands: Any) -> None:
    parser = commands.add_parser(
        "plan",
        help="what applying a FraudDetector would change, and which pods would restart",
        description="Say what the operator would do if FraudDetectors were applied: its own plan,"
        " checked by the API server without writing anything.",
        epilog="Exit status 0: nothing would change. 2: something would. 1: the resource is"
        f" refused, or the operator could not act upon it. {_EPILOG}",
    )
    parser.add_argument(
        "-f", "--filename", required=True, action="append", metavar="FILE",
        help="with FraudDetectors, as for kubectl apply; - is standard input; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--server-side", action="store_true",
        help="plan for kubectl apply --server-side (default: for kubectl apply)",
    )  # fmt: skip
    parser.add_argument(
        "--field-manager", default="kubectl", metavar="NAME", help="with --server-side"
    )
    parser.add_argument(
        "--force-conflicts", action="store_true", help="with --server-side, as for kubectl apply"
    )
    parser.add_argument(
        "--skip-store", action="store_true",
        help="do not ask the model store; go by what the operator last found there",
    )  # fmt: skip
    parser.add_argument(
        "--scorer-image", default="", metavar="IMAGE",
        help="the operator's default, where its Deployment cannot be read",
    )  # fmt: skip
    _add_operator(parser)
    _add_common(parser)
    parser.set_defaults(command=_plan)


def _add_doctor(commands: Any) -> None:
    parser = commands.add_parser(
        "doctor",
        help="what cluster, installation and detectors lack for production",
        description="Check the cluster, the installation and each detector, and say what to do.",
        epilog=f"Exit status 0: nothing failed. 2: something did. {_EPILOG}",
    )
    parser.add_argument(
        "-A", "--all-namespaces", action="store_true", help="detectors of all namespaces"
    )
    _add_operator(parser)
    _add_common(parser)
    parser.set_defaults(command=_doctor)


def _add_history(commands: Any) -> None:
    parser = commands.add_parser(
        "history",
        help="the revisions that served, and what can be gone back to",
        description="List what served: a model with its thresholds is one revision.",
        epilog=f"Exit status 5: there is no such detector. {_EPILOG}",
    )
    parser.add_argument("name", metavar="NAME", help="of the FraudDetector")
    _add_common(parser)
    parser.set_defaults(command=_history)


def _add_requests(commands: Any) -> None:
    _add_request(
        commands, "rollback", "go back to a revision that served before",
        "Go back to what served before, whole: model, thresholds and reasons. It holds until"
        " another version is published, or the spec wants another one.",
    ).add_argument(
        "--to", dest="version", default="", metavar="VERSION",
        help="version or revision, of kubectl fraud history (default: the last known good one)",
    )  # fmt: skip
    _add_request(
        commands, "promote", "make the candidate active without further comparison",
        "Make the candidate active once every pod holds it, whatever the comparison says so far."
        " After a rollback: take the version that was gone back from after all.",
    )  # fmt: skip
    _add_request(
        commands, "abort", "drop the candidate; what serves goes on serving",
        "Drop the candidate. What serves goes on serving until another version is published.",
    )  # fmt: skip
    _add_request(
        commands, "sync", "look at the model store now, and verify again what was inconclusive",
        "Look at the model store now, and verify again what was inconclusive.",
    )  # fmt: skip
    _add_request(
        commands, "release", "lift the quarantine of a version",
        "Lift the quarantine of a version or a digest: it is verified again if it is wanted. Who"
        " did it, when and why is recorded.",
        why=True,
    ).add_argument(
        "version", metavar="VERSION|DIGEST", help="as kubectl fraud status shows it"
    )  # fmt: skip


def _add_request(
    commands: Any, action: str, said: str, described: str, *, why: bool = False
) -> Any:
    parser = commands.add_parser(
        action,
        help=said,
        description=described,
        epilog="Exit status 0: done (with --no-wait: asked). 1: the operator refused it, and says"
        " why. 3: it has not answered within --timeout. 5: there is no such detector."
        f" {_EPILOG}",
    )
    parser.add_argument("name", metavar="NAME", help="of the FraudDetector")
    parser.add_argument(
        "--reason", default="", required=why, metavar="TEXT", help="why; it is recorded"
    )
    parser.add_argument(
        "--wait", action=argparse.BooleanOptionalAction, default=True,
        help="wait for the operator's answer (default: --wait)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="of waiting (default: 30)"
    )
    _add_common(parser)
    parser.set_defaults(command=_request, action=action, version="")
    return parser


def _add_operator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--operator-namespace", default="fraudops-system", metavar="NS",
        help="where the operator runs (default: fraudops-system)",
    )  # fmt: skip


def _add_common(parser: argparse.ArgumentParser) -> None:
    _add_cluster(parser, default=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", choices=("json",), help="json, for programs")


def _add_cluster(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Before the command as well as after it."""
    for *flags, metavar, said in (
        ("-n", "--namespace", "NS", "default: the context's"),
        ("--kubeconfig", "FILE", "default: kubectl's"),
        ("--context", "NAME", "default: the current one"),
    ):
        parser.add_argument(*flags, default=default, metavar=metavar, help=said)


def _status() -> Command:
    from fraud_operator.cli.fraud_status import run

    return run


def _plan() -> Command:
    from fraud_operator.cli.fraud_plan import run

    return run


def _doctor() -> Command:
    from fraud_operator.cli.fraud_doctor import run

    return run


def _history() -> Command:
    from fraud_operator.cli.fraud_history import run

    return run


def _request() -> Command:
    from fraud_operator.cli.fraud_request import run

    return run


if __name__ == "__main__":
    sys.exit(main())
