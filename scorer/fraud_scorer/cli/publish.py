"""Publish a trained model as a new version.

Run it where the model was trained: the model file is code, which runs here, and the libraries that
made it are here. It is compiled to a flat file, model.fdm, which is all that scorers fetch; the
golden transactions are scored by both and compared. --features is a JSON list of features in the
model's order ({"name", "type": "number" or "category", and optionally nullable, minimum, maximum,
categories, reason}). --golden is a file with a JSON object a line, a transaction's features by
name; --reference is one like it, of ordinary transactions: without it answers have no reasons.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from fraud_scorer.artifact.manifest import Label, ManifestError
from fraud_scorer.artifact.opening import open_mounted
from fraud_scorer.artifact.plan import store_location
from fraud_scorer.artifact.store import Store, StoreError
from fraud_scorer.cli import files, values
from fraud_scorer.cli.terminal import USAGE, fail, say

SUMMARY = "publish a trained model as a new version"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `publish`."""
    add = parser.add_argument
    add("model_file", type=Path, metavar="MODEL.joblib", help="a fitted classifier")
    add("--to", required=True, metavar="s3://BUCKET/PREFIX/", help="or gs://, or a folder")
    add("--version", required=True, help="a name that was never used")
    add("--model", required=True, metavar="NAME", help="what the model is called in answers")
    add("--features", required=True, type=Path, metavar="FILE")
    add("--golden", required=True, type=Path, metavar="FILE")
    add("--golden-labels", type=Path, metavar="FILE", help="JSON list: fraud, genuine or null each")
    add("--thresholds", type=values.thresholds, metavar="review=R,decline=D")
    add("--metrics", type=Path, metavar="FILE", help="JSON object of numbers, kept for people")
    add(
        "--reference",
        type=Path,
        metavar="FILE",
        help="rows like --golden: what reasons compare with, and drift is measured from",
    )
    add("--reasons", type=Path, metavar="FILE", help="JSON object: reason code to text for people")
    add(
        "--accept-inexact",
        action="store_true",
        help="allow log or exp before a threshold, and measure on --reference what it changes",
    )
    add("--created-at", type=values.moment, metavar="TIME", help="RFC 3339; default: now")
    add("--endpoint", default="", metavar="URL", help="of an API that is not AWS's or Google's")
    add("--region", default="")
    add(
        "--store-credentials",
        type=Path,
        metavar="DIR",
        help="files accessKeyID and secretAccessKey (for gs:// key.json), and ca.crt for a private"
        " authority; default: what the cloud's SDK finds",
    )
    add("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Publish; 0 when the version is in the store, 1 and a message on standard error if not."""
    from fraud_scorer.publishing import UnfitError, publish_model

    try:
        features = files.features(options.features)
        golden = files.rows(options.golden)
        labels = (
            files.json(options.golden_labels, list[Label | None]) if options.golden_labels else None
        )
        reference = files.rows(options.reference) if options.reference else None
        metrics = files.json(options.metrics, dict[str, float]) if options.metrics else None
        reasons = files.json(options.reasons, dict[str, str]) if options.reasons else None
    except files.WrongFile as error:
        return fail(str(error), USAGE)
    try:
        published = publish_model(
            options.model_file,
            to=_destination(options),
            model=options.model,
            version=options.version,
            features=features,
            golden=golden,
            golden_labels=labels,
            thresholds=options.thresholds,
            metrics=metrics,
            reference=reference,
            reasons=reasons,
            created_at=options.created_at,
            endpoint=options.endpoint,
            region=options.region,
            accept_inexact=options.accept_inexact,
            progress=say,
        )
    except (UnfitError, ManifestError, StoreError, ValueError) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    result = {
        "model": options.model,
        "version": options.version,
        "to": options.to,
        "digest": published.digest,
        "manifestSha256": published.manifest_sha256,
        "goldenTransactions": len(published.manifest.golden),
        "exactness": published.exactness,
        "worstDifference": published.worst_difference,
        "reasons": published.explains,
    }
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        print(f"published {options.model} {options.version} to {options.to}: {published.digest}")
        print(
            f"scores are {published.exactness}: at most {published.worst_difference:.3g} off the"
            f" estimator's here; answers have {'' if published.explains else 'no '}reasons"
        )
    return 0


def _destination(options: argparse.Namespace) -> str | Store:
    folder = options.store_credentials
    if folder is None:
        return str(options.to)
    if "://" not in options.to:
        raise ValueError(f"--to {options.to} is a folder, which takes no --store-credentials")
    if not folder.is_dir():
        raise ValueError(f"--store-credentials {folder} is not a folder")
    location = store_location(options.to, region=options.region, endpoint=options.endpoint)
    return open_mounted(location, folder)
