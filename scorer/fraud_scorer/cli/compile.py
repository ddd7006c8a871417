"""Compile a model file to a flat one, without publishing it.

The model file is code, which runs when it is read. Here that is a child process: on Linux (x86-64
and ARM64) without network, without processes of its own, and with files open for reading only, by a
filter of system calls; everywhere with limits of memory and time. It can still read what you can
read: compile a file of unknown origin where there are no secrets.

--features is a JSON list of features in the model's order ({"name", "type": "number" or "category",
and optionally nullable}). --reference is a file with a JSON object a line, the features of ordinary
transactions by name: without it the model gives no reasons.

With --bare it is the second program of a verification: what `fetch` left is compiled where it must
be, its features found out of it, for `judge` to prove. Exit code 4 says that nothing is known of
the file: the machine had not the memory, or the time was up.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fraud_scorer.cli import files, termination, values, verification
from fraud_scorer.cli.terminal import USAGE, fail, say

if TYPE_CHECKING:
    from fraud_scorer.sandbox import Limits

SUMMARY = "compile a model file to a flat one (.fdm)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `compile`."""
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "model_file", type=Path, nargs="?", metavar="MODEL.joblib", help="a fitted classifier"
    )
    what.add_argument(
        "--bare", type=Path, metavar="DIR", help="what `fetch` left: compile it where it must be"
    )
    add("--features", type=Path, metavar="FILE", help="required with MODEL.joblib")
    add("--reference", type=Path, metavar="FILE", help="rows that reasons compare with")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="default: MODEL.fdm beside the model; with --bare, a folder",
    )
    add(
        "--accept-inexact",
        action="store_true",
        help="allow log or exp before a threshold, and measure on --reference what it changes",
    )
    add(
        "--memory",
        type=values.size,
        default="4Gi",
        metavar="SIZE",
        help="how much the child may take (default: %(default)s)",
    )
    add(
        "--timeout",
        type=values.seconds,
        default=900.0,
        metavar="SECONDS",
        help="how long it may take, of waiting and of CPU time (default: %(default)g)",
    )
    add("--json", action="store_true", help="print the result as JSON")
    termination.add_log(parser)


def run(options: argparse.Namespace) -> int:
    """Compile; 0 when the file is written, 1 and a message on standard error if not."""
    from fraud_scorer.sandbox import LEAST_MEMORY, Limits

    if options.memory < LEAST_MEMORY:
        return fail("--memory: the libraries alone take 512Mi", USAGE)
    limits = Limits(
        memory_bytes=options.memory,
        cpu_seconds=max(1, int(options.timeout)),
        seconds=options.timeout,
    )
    if options.bare is not None:
        return _compile_fetched(options, limits)
    if options.features is None:
        return fail("--features: say which features MODEL.joblib takes", USAGE)
    return _compile_file(options, limits)


def _compile_fetched(options: argparse.Namespace, limits: Limits) -> int:
    """The second program of a verification: 4 where nothing is known of the file then."""
    from fraud_scorer.verification.compiling import compile_fetched
    from fraud_scorer.verification.fetched import Folder

    output: Path | None = options.output
    if output is None or not output.is_dir():
        return fail("--output: name a folder that is there", USAGE)

    def work() -> None:
        if not compile_fetched(Folder(options.bare), output, limits, say=say):
            say("there is nothing to compile")

    return verification.decided(options, work)


def _compile_file(options: argparse.Namespace, limits: Limits) -> int:
    from fraud_scorer.sandbox import CompileError, compile_file

    output: Path = options.output or options.model_file.with_suffix(".fdm")
    try:
        features = files.features(options.features)
        reference = files.rows(options.reference) if options.reference else None
    except files.WrongFile as error:
        return fail(str(error), USAGE)
    if not output.parent.is_dir():
        return fail(f"there is no folder {output.parent} to write {output.name} into", USAGE)
    say(f"compiling {options.model_file}")
    try:
        compiled = compile_file(
            options.model_file,
            features,
            reference=reference,
            accept_inexact=options.accept_inexact,
            limits=limits,
            progress=say,
        )
        _write(output, compiled.data)
    except CompileError as error:
        return fail(f"{options.model_file}: {error}")
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    header = compiled.model.header
    result = {
        "file": str(output),
        "bytes": len(compiled.data),
        "exactness": header.exactness,
        "trees": header.trees,
        "nodes": header.nodes,
        "reasons": compiled.model.explains,
        "flips": header.flips,
        "confinedBy": compiled.confined_by,
        "seconds": round(compiled.seconds, 3),
    }
    if options.json:
        print(msgspec.json.encode(result).decode())
        return 0
    print(f"{output}: {len(compiled.data):,} bytes, {header.trees} trees, {header.nodes:,} nodes")
    print(
        f"scores are {header.exactness} (docs/exactness.md), with"
        f" {'' if compiled.model.explains else 'no '}reasons"
    )
    if header.flips is not None:
        print(f"{header.flips.flipped} of {header.flips.rows} reference rows score otherwise")
    print(f"confined by {' and '.join(compiled.confined_by)}, {compiled.seconds:.1f} s")
    return 0


def _write(output: Path, data: bytes) -> None:
    """All of it or nothing: whoever maps the file that was there keeps it."""
    partial = output.with_name(f".{output.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
