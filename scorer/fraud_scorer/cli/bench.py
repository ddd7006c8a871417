"""Measure a model on this machine: the model, its reasons, the whole pipeline, and a server.

Transactions are drawn from the distributions in the version's manifest, or at random for a bare
.fdm; --rows gives others (a JSON object a line, features by name). The server runs in a process of
its own and is asked by this one over the loopback, so two cores are busy.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from fraud_scorer.cli import files, values
from fraud_scorer.cli.terminal import USAGE, fail, say

SUMMARY = "measure a model on this machine"

_ROWS = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a version's folder, or MODEL.fdm")
    add("--rows", type=Path, metavar="FILE", help="transactions to score")
    add(
        "--seconds",
        type=values.seconds,
        default=2.0,
        metavar="SECONDS",
        help="how long each measurement takes (default: %(default)g)",
    )
    add("--no-server", action="store_true", help="measure in this process only")
    add(
        "--thresholds",
        type=values.thresholds,
        metavar="review=R,decline=D",
        help="in place of the manifest's: only what is not approved has reasons",
    )
    add("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure; 1 and a message on standard error where that cannot be done."""
    from fraud_scorer.artifact.plan import PlanError
    from fraud_scorer.cli.opened import opened
    from fraud_scorer.measure.compute import compute
    from fraud_scorer.measure.rows import NoRows, body, drawn
    from fraud_scorer.measure.server import ServerFailed, serve_and_ask
    from fraud_scorer.problem import Problem
    from fraud_scorer.registry.refusal import Refused

    began = time.perf_counter()
    try:
        model = opened(options.model, options.thresholds)
        loaded = time.perf_counter() - began
        rows = files.rows(options.rows) if options.rows else drawn(model, _ROWS)
        if not rows:
            return fail(f"{options.rows} has no rows", USAGE)
        rows = (rows * (1 + _ROWS // len(rows)))[: max(_ROWS, len(rows))]
        say(f"scoring {len(rows):,} transactions")
        computed = compute(model, rows, options.seconds)
        served = None
        if not options.no_server:
            say("asking a server")
            given = [options.model]
            if options.thresholds:
                chosen = options.thresholds
                given += [f"--thresholds=review={chosen.review},decline={chosen.decline}"]
            bodies = [body(model, row, number) for number, row in enumerate(rows)]
            served = serve_and_ask(given, bodies, options.seconds)
    except (files.WrongFile, PlanError) as error:
        return fail(str(error), USAGE)
    except (Refused, NoRows, Problem, ServerFailed) as error:
        return fail(str(error))
    header = model.model.header
    result: dict[str, Any] = {
        "model": {"name": model.name, "version": model.version, "digest": model.digest},
        "bytes": model.manifest.model_file.size,
        "trees": header.trees,
        "nodes": header.nodes,
        "inputs": len(model.model.inputs),
        "loadMilliseconds": round(loaded * 1000, 3),
        "microseconds": computed,
        "server": served,
    }
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        _show(msgspec.to_builtins(result))
    return 0


def _show(result: dict[str, Any]) -> None:
    took, server = result["microseconds"], result["server"]
    print(
        f"{result['model']['name']} {result['model']['version']}: {result['inputs']} inputs,"
        f" {result['trees']} trees, {result['nodes']:,} nodes, {result['bytes']:,} bytes,"
        f" loaded and proven in {result['loadMilliseconds']:.1f} ms"
    )
    lines = [
        ("one row", took["one"]),
        ("one of a batch of 256", took["batch"]),
        ("its reasons", took["reasons"]),
        ("from request to answer", took["pipeline"]),
    ]
    for what, microseconds in lines:
        if microseconds is not None:
            print(f"  {what:24} {microseconds:10.2f} µs {1e6 / microseconds:14,.0f} a second")
    if server:
        failed = f", {server['failed']:,} of them no scores" if server["failed"] else ""
        print(f"  {'server, one process':24} {'':13} {server['perSecond']:14,.0f} a second{failed}")
