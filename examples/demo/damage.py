"""Publish a version whose model is not what its manifest says: one bit of it is flipped.

    python -m examples.demo.damage /tmp/models v3 --to s3://fraud-models/card-payments/ \\
        --endpoint http://127.0.0.1:7070

It stands for a failing disk or a broken upload. The version is taken from a folder, where
`python -m examples.handbook.train --to FOLDER` put it; the folder stays as it is.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.credentials import AmbientIdentity
from fraud_scorer.artifact.plan import s3_location
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import Store, StoreError


def flipped(data: bytes) -> bytes:
    """The same bytes but for one bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def publish_damaged(folder: Path, store: Store) -> str:
    """Copy the version in `folder` with its model damaged; the name of the damaged file.

    Files first, the manifest last, as a publication does it. Raises StoreError, ManifestError (a
    ValueError), OSError.
    """
    data = (folder / manifests.FILE_NAME).read_bytes()
    manifest = manifests.decode(data)
    damaged = ""
    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        if file.role == "model":
            content, damaged = flipped(content), file.path
        store.create(f"{manifest.version}/{file.path}", content)
    store.create(f"{manifest.version}/{manifests.FILE_NAME}", data)
    return damaged


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo.damage",
        description="Publish a version with one bit of its model flipped.",
    )
    parser.add_argument("models", type=Path, help="the folder with versions")
    parser.add_argument("version", help="the version to take")
    parser.add_argument("--to", required=True, help="s3://BUCKET/PREFIX")
    parser.add_argument("--endpoint", default="", help="of the S3 API; default: AWS")
    parser.add_argument("--region", default="us-east-1")
    options = parser.parse_args(arguments)
    try:
        location = s3_location(options.to, region=options.region, endpoint=options.endpoint)
        store = S3Store(location, AmbientIdentity())
        file = publish_damaged(options.models / options.version, store)
    except (StoreError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"published version {options.version} to {options.to} with one bit of {file} flipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
