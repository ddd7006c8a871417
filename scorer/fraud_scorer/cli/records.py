"""What the commands about records take alike: where Postgres and the archive are, and who asks."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.artifact.credentials import AmbientIdentity
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.opening import open_described, open_mounted, open_store
from fraud_scorer.artifact.plan import store_location

if TYPE_CHECKING:
    from fraud_scorer.ledger.archive import Archive
    from fraud_scorer.ledger.database import Database


def add_postgres(parser: argparse.ArgumentParser) -> None:
    """`--postgres`."""
    parser.add_argument(
        "--postgres",
        default="",
        metavar="DSN|DIR",
        help="a connection string, or the folder of a mounted Secret (uri, or host, port, dbname,"
        " username, password); default: PGHOST and the like",
    )


def add_archive(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """`--archive` and what opens it."""
    add = parser.add_argument
    add(
        "--archive",
        required=required,
        metavar="URL|DIR|FILE",
        help="where sealed segments lie: s3://BUCKET/PREFIX/, gs://BUCKET/PREFIX/, a folder, or a"
        " file that has the location as JSON",
    )
    add("--endpoint", default="", metavar="URL", help="of an S3 API that is not AWS")
    add("--region", default="")
    add(
        "--store-credentials",
        type=Path,
        metavar="DIR",
        help="a mounted Secret with the archive's keys; default: what the SDK finds",
    )


def add_public_keys(parser: argparse.ArgumentParser) -> None:
    """`--public-key`."""
    parser.add_argument(
        "--public-key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="of the key that seals were made with (PEM); again for each that was ever in use",
    )


def add_subject(parser: argparse.ArgumentParser) -> None:
    """`--subject`."""
    parser.add_argument(
        "--subject",
        default="customer",
        metavar="KIND",
        help="the kind of entity that a person is, as `ship` was told (default: %(default)s)",
    )


def add_principal(parser: argparse.ArgumentParser) -> None:
    """`--by`."""
    parser.add_argument(
        "--by",
        default=_user(),
        metavar="WHO",
        help="who asks, for the log of accesses and acts (default: %(default)s)",
    )


def database(options: argparse.Namespace, name: str) -> Database:
    """Where Postgres is. Nothing is asked of it yet."""
    from fraud_scorer.ledger.database import from_option

    return from_option(options.postgres, name=f"fraud-scorer {name}")


def archive(options: argparse.Namespace, *, make: bool = False) -> Archive:
    """The archive; a folder is made if it may be. Raises StoreError, and ValueError for an address
    that is none."""
    from fraud_scorer.ledger.archive import Archive

    if Path(options.archive).is_file():
        return Archive(open_described(Path(options.archive), options.store_credentials))
    if "://" not in options.archive:
        folder = Path(options.archive)
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        return Archive(DirectoryStore(folder))
    location = store_location(options.archive, region=options.region, endpoint=options.endpoint)
    if options.store_credentials:
        return Archive(open_mounted(location, options.store_credentials))
    return Archive(open_store(location, AmbientIdentity()))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
