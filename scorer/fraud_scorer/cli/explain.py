"""Say why a transaction gets its score.

The transaction is a JSON object in a file (or standard input): the body of a request to /v1/score,
or its features alone. Contributions add up to the difference between this transaction and the
reference that the model was compiled with, in log-odds or probability (docs/exactness.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from fraud_scorer.cli import files, values
from fraud_scorer.cli.terminal import USAGE, fail

SUMMARY = "say why a transaction gets its score"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `explain`."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a version's folder, or MODEL.fdm")
    add("transaction", type=Path, metavar="FILE", help="- is standard input")
    add(
        "--thresholds",
        type=values.thresholds,
        metavar="review=R,decline=D",
        help="in place of the manifest's; of MODEL.fdm by default 0.50 and 0.90",
    )
    add("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Explain; 0 when there is a score, 1 and a message on standard error if not."""
    from fraud_scorer.artifact.plan import PlanError
    from fraud_scorer.cli.opened import opened
    from fraud_scorer.pipeline.score import score
    from fraud_scorer.problem import Problem
    from fraud_scorer.registry.refusal import Refused

    try:
        given = _features(options.transaction)
        model = opened(options.model, options.thresholds)
    except (files.WrongFile, PlanError) as error:
        return fail(str(error), USAGE)
    except Refused as refused:
        return fail(str(refused))
    try:
        row = model.inputs.whole_row(given)
        result = _explained(model, row, score(model, row))
    except Problem as problem:
        errors = problem.document.errors
        return fail("; ".join(f"{e.pointer} {e.detail}" for e in errors) or str(problem))
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        _show(result)
    return 0


def _features(path: Path) -> dict[str, Any]:
    data = sys.stdin.buffer.read() if str(path) == "-" else files.read(path)
    given = files.decoded(data, dict[str, Any], path)
    inner = given.get("features")
    found = files.decoded(
        msgspec.json.encode(inner if isinstance(inner, dict) else given),
        dict[str, float | str | None],
        path,
    )
    return dict(found)


def _explained(model: Any, row: Any, probability: float) -> dict[str, Any]:
    from fraud_scorer.decisions.decide import decide

    result: dict[str, Any] = {
        "model": {"name": model.name, "version": model.version, "digest": model.digest},
        "score": probability,
        "decision": decide(probability, review=model.review, decline=model.decline).decision,
    }
    if not model.model.explains:
        return result
    texts = model.manifest.reasons
    contributions = []
    for feature, contribution in model.model.explain(row, len(row)):
        code = model.reason_codes[feature]
        one = {"feature": feature, "contribution": contribution, "code": code}
        contributions.append(one | ({"text": texts[code]} if code in texts else {}))
    return result | {
        "unit": model.model.header.explained,
        "reference": model.model.reference_value,
        "explained": model.model.explained_value(row),
        "contributions": contributions,
    }


def _show(result: dict[str, Any]) -> None:
    named = result["model"]
    print(f"{named['name']} {named['version']}: {result['score']:.6f}, {result['decision']}")
    if "contributions" not in result:
        print("The model was compiled without reference rows: it gives no reasons.")
        return
    print(f"{result['unit']} of an ordinary transaction {result['reference']:12.6f}")
    width = max([len(one["feature"]) for one in result["contributions"]], default=0)
    for one in result["contributions"]:
        code = "" if one["code"] == one["feature"] else f"  {one['code']}"
        text = f"  {one['text']}" if "text" in one else ""
        print(f"  {one['feature']:{width}} {one['contribution']:+12.6f}{code}{text}")
    print(f"{result['unit']} of this one {result['explained']:23.6f}")
