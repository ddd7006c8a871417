"""Where a process learns which model to hold: from a plan, a version's folder, or a compiled file.

The way in for whatever will tell a running process of another plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fraud_scorer import engine
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.credentials import AmbientIdentity, Credentials, keys_from_directory
from fraud_scorer.artifact.digest import sha256_file, sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Framework,
    Manifest,
    ManifestError,
    Thresholds,
)
from fraud_scorer.artifact.plan import MOST_REASONS, PlanError, PlannedModel
from fraud_scorer.artifact.store import FileMissing, Store, StoreError
from fraud_scorer.engine import FormatError, Model
from fraud_scorer.registry.load import load
from fraud_scorer.registry.loaded import LoadedModel

USUAL_THRESHOLDS = Thresholds(review="0.50", decline="0.90")
"""Of a compiled file, which says nothing of any."""


class Source(Protocol):
    """One model to be held."""

    def load(self, workspace: Path) -> LoadedModel:
        """The model, ready to score; `workspace` is an empty folder for this call alone.

        Raises Refused, and Unavailable where the store cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A version in a store. `open_store` is called for every attempt, with credentials of then."""

    wanted: PlannedModel
    revision: str
    open_store: Callable[[], Store]

    def load(self, workspace: Path) -> LoadedModel:
        return load(self.open_store(), self.wanted, self.revision, workspace)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A compiled file, mapped where it lies: there is nobody who said what it must be."""

    model: LoadedModel

    def load(self, workspace: Path) -> LoadedModel:
        return self.model


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

    return StoredModel(plan.active, plan.revision, open_store)


def from_path(path: Path, thresholds: Thresholds | None = None) -> Source:
    """A version's folder, or a compiled file. Raises PlanError."""
    return from_file(path, thresholds) if path.is_file() else from_folder(path, thresholds)


def from_folder(folder: Path, thresholds: Thresholds | None) -> Source:
    """The version in a folder (the one that holds its manifest). Raises PlanError."""
    store = DirectoryStore(folder)
    try:
        data, _ = store.read(manifests.FILE_NAME, limit=manifests.MAX_BYTES) or (b"", "")
        manifest = manifests.decode(data)
    except FileMissing:
        raise PlanError(
            f"there is no {manifests.FILE_NAME} in {folder}: name a version's own folder, or a"
            " compiled model (.fdm)"
        ) from None
    except StoreError as error:
        raise PlanError(str(error)) from None
    except ManifestError as error:
        raise PlanError(f"{folder / manifests.FILE_NAME}: {error}") from None
    wanted = plans.planned(manifest, sha256_hex(data), thresholds, folder="")
    return StoredModel(wanted, manifest.version, lambda: store)


def from_file(path: Path, thresholds: Thresholds | None) -> Source:
    """A compiled model without a manifest. Raises PlanError where it is none."""
    try:
        model = engine.load(path)
        sha256, size = sha256_file(path)
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FormatError as error:
        raise PlanError(
            f"{path} is no compiled model ({error}): make one with `fraud-scorer compile`"
        ) from None
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}") from None
    limits = thresholds or USUAL_THRESHOLDS
    manifest = _manifest(model, path, made, sha256, size, limits)
    loaded = LoadedModel(
        revision=manifest.version,
        manifest=manifest,
        digest=manifest.digest,
        review=float(limits.review),
        decline=float(limits.decline),
        reasons=MOST_REASONS,
        model=model,
    )
    return OpenedModel(loaded)


def _manifest(
    model: Model, path: Path, made: datetime, sha256: str, size: int, thresholds: Thresholds
) -> Manifest:
    """What the file says of itself; it knows of no limits, and has no golden transactions."""
    producer = model.header.producer
    framework: Any = producer.framework
    return Manifest(
        schema_version=1,
        model=path.stem,
        version=sha256[:12],
        created_at=made,
        framework=Framework(name=framework, version=producer.framework_version, python=""),
        engine=Engine(format="fdm", version=engine.FORMAT_VERSION),
        files=(FileRef(path=path.name, sha256=sha256, size=size, role="model"),),
        features=tuple(
            Feature(name=one.name, type=one.type, nullable=one.nullable) for one in model.inputs
        ),
        golden=(),
        thresholds=thresholds,
    )
