"""Fetch a version from a store, to be verified: the first program of a verification.

The files come into a folder, each digest checked while it is read. Where the version is bad, the
verdict is there instead, for `judge` to give. Exit code 4 says that nothing is known: the store is
away, or another version lies there by now.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fraud_scorer.artifact.plan import StoreLocation
from fraud_scorer.cli import documents, termination, values, verification
from fraud_scorer.cli.terminal import USAGE, fail, say

SUMMARY = "fetch a version from a store, to be verified"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fetch`."""
    add = parser.add_argument
    add(
        "--store",
        required=True,
        type=documents.document(StoreLocation),
        metavar="JSON",
        help="where versions lie",
    )
    add("--store-credentials", required=True, type=Path, metavar="DIR")
    add("--version", required=True, help="the folder's name")
    add("--into", required=True, type=Path, metavar="DIR", help="an empty folder")
    add("--bare", default="", metavar="FILE", help="the model file, where there is no manifest")
    add("--source", default="", metavar="SHA256", help="of what was found: else nothing is known")
    add(
        "--created-at",
        type=values.moment,
        metavar="TIME",
        help="of a bare version; default: when the store got it",
    )
    add("--signature-key", type=Path, metavar="FILE", help="who may sign: public keys in PEM")
    add(
        "--max-bytes",
        type=values.size,
        default="2Gi",
        metavar="SIZE",
        help="how large a version may be (default: %(default)s)",
    )
    verification.add_patience(parser)
    termination.add_log(parser)


def run(options: argparse.Namespace) -> int:
    """Fetch; see the module for exit codes."""
    from fraud_scorer.artifact.manifest import is_version
    from fraud_scorer.artifact.opening import open_mounted
    from fraud_scorer.verification import signature
    from fraud_scorer.verification.fetch import Wanted, fetch
    from fraud_scorer.verification.fetched import Folder
    from fraud_scorer.verification.patience import Patience

    if not is_version(options.version):
        return fail(f"--version: {options.version!r} is no version's name", USAGE)
    if "/" in options.bare or options.bare in (".", ".."):
        return fail(f"--bare: {options.bare!r} is no file's name", USAGE)
    wanted = Wanted(
        version=options.version,
        bare=options.bare,
        source=options.source,
        most=options.max_bytes,
        created_at=options.created_at,
    )

    def work() -> None:
        keys = signature.keys(options.signature_key) if options.signature_key else None
        store = open_mounted(options.store, options.store_credentials)
        patience = Patience(options.patience, say=say)
        verdict = fetch(store, wanted, Folder(options.into), keys=keys, patience=patience)
        if verdict is not None:
            say(f"refused: {verdict.reason}: {verdict.message}")

    return verification.decided(options, work)
