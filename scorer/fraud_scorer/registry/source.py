"""Models that are named when the service starts, and stay: a version's folder, or a compiled file.

What follows a plan is in `fraud_scorer.following`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from fraud_scorer import engine
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as plans
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
    """A version in a store."""

    wanted: PlannedModel
    revision: str
    store: Store

    def load(self, workspace: Path) -> LoadedModel:
        return load(self.store, self.wanted, self.revision, workspace)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A compiled file, mapped where it lies: there is nobody who said what it must be."""

    model: LoadedModel

    def load(self, workspace: Path) -> LoadedModel:
        return self.model


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
    return StoredModel(wanted, manifest.version, store)


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
