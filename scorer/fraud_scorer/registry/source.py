"""Where a process learns which model to hold: from a plan, or from a folder.

The way in for whatever will tell a running process of another plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.credentials import AmbientIdentity, Credentials, keys_from_directory
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import ManifestError, Thresholds
from fraud_scorer.artifact.plan import PlanError, PlannedModel
from fraud_scorer.artifact.store import FileMissing, Store


@dataclass(frozen=True, slots=True)
class Source:
    """One model to be held. `open_store` is called for every attempt, with credentials of then."""

    wanted: PlannedModel
    revision: str
    open_store: Callable[[], Store]


def from_plan(path: Path, credentials_folder: Path) -> Source:
    """What the plan in a file wants.

    Keys come from the folder where it exists, read anew for every attempt, else from what the
    cloud gives the pod. Raises PlanError.
    """
    plan = plans.read(path)

    def open_store() -> Store:
        from fraud_scorer.artifact.s3 import S3Store  # the AWS SDK takes a while to import

        credentials: Credentials = AmbientIdentity()
        if credentials_folder.is_dir():
            credentials = keys_from_directory(credentials_folder)
        return S3Store(plan.store.s3, credentials)

    return Source(plan.active, plan.revision, open_store)


def from_folder(folder: Path, thresholds: Thresholds | None) -> Source:
    """The version in a folder (the one that holds its manifest). Raises PlanError."""
    store = DirectoryStore(folder)
    try:
        data, _ = store.read(manifests.FILE_NAME, limit=manifests.MAX_BYTES) or (b"", "")
        manifest = manifests.decode(data)
    except FileMissing:
        raise PlanError(
            f"there is no {manifests.FILE_NAME} in {folder}: name a version's own folder"
        ) from None
    except ManifestError as error:
        raise PlanError(f"{folder / manifests.FILE_NAME}: {error}") from None
    wanted = plans.planned(manifest, sha256_hex(data), thresholds, folder="")
    return Source(wanted, manifest.version, lambda: store)
