"""Judge a version that was fetched: the last program of a verification, whose word alone counts.

Exit code 0: the verdict, Proven or Refused, is in the termination log. Exit code 4: nothing is
known about the version, and why. A proven version's manifest and model are kept by digest in the
store of artifacts then, and a report lies beside them.
"""

from __future__ import annotations

import argparse
import tempfile
from decimal import Decimal, InvalidOperation
from pathlib import Path

from fraud_scorer.artifact.plan import PlannedModel, StoreLocation
from fraud_scorer.cli import documents, termination, values, verification
from fraud_scorer.cli.terminal import say

SUMMARY = "judge a version that was fetched, and keep it if it is good"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `judge`."""
    add = parser.add_argument
    add("--fetched", required=True, type=Path, metavar="DIR", help="what `fetch` left")
    add("--compiled", required=True, type=Path, metavar="DIR", help="what `compile --bare` left")
    add(
        "--artifacts",
        required=True,
        type=documents.document(StoreLocation),
        metavar="JSON",
        help="where to keep it",
    )
    add("--artifacts-credentials", required=True, type=Path, metavar="DIR")
    add("--proof-key", required=True, type=_key, metavar="KEY", help="names the report")
    add("--model", required=True, metavar="NAME", help="what a bare version's model is called")
    add("--signature-key", type=Path, metavar="FILE", help="who may sign: public keys in PEM")
    add("--golden-tolerance", type=_number, default=1e-9, metavar="D")
    add("--max-score-milliseconds", type=_number, metavar="N")
    add(
        "--thresholds",
        type=values.thresholds,
        metavar="review=R,decline=D",
        help="for the report; default: the manifest's",
    )
    add(
        "--active",
        type=documents.document(PlannedModel),
        metavar="JSON",
        help="the revision that serves now, as plans have it: what its callers send must be taken,"
        " and the report compares with it",
    )
    add("--allow-input-changes", action="store_true", help="callers were changed")
    verification.add_patience(parser)
    termination.add_log(parser)


def run(options: argparse.Namespace) -> int:
    """Judge; see the module for exit codes."""
    from fraud_scorer.artifact.opening import open_mounted
    from fraud_scorer.verification import signature
    from fraud_scorer.verification.fetched import Folder
    from fraud_scorer.verification.judge import Judge, Rules
    from fraud_scorer.verification.patience import Patience

    def work() -> None:
        rules = Rules(
            proof_key=options.proof_key,
            model=options.model,
            keys=signature.keys(options.signature_key) if options.signature_key else None,
            golden_tolerance=options.golden_tolerance,
            most_milliseconds=options.max_score_milliseconds,
            thresholds=options.thresholds,
            active=options.active,
            allow_input_changes=options.allow_input_changes,
        )
        artifacts = open_mounted(options.artifacts, options.artifacts_credentials)
        with tempfile.TemporaryDirectory(prefix="fraud-judge-") as workspace:
            verdict = Judge(
                Folder(options.fetched),
                options.compiled,
                artifacts,
                rules,
                Path(workspace),
                Patience(options.patience, say=say),
            ).verdict()
        verification.leave(options, verdict)
        print(f"{verdict.outcome}: {verdict.message or verdict.digest}")

    return verification.decided(options, work)


def _key(text: str) -> str:
    if len(text) != 20 or set(text) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text!r} is not twenty hexadecimal digits")
    return text


def _number(text: str) -> float:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not (number.is_finite() and number >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return float(number)
