"""What is to be in a backup: every version that was proven, as far back as it is kept.

A proven version is a manifest among the blobs, together with the model that it names. Those of the
plan are needed however old they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from msgspec import Struct

from fraud_scorer.artifact import layout
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import Manifest, ManifestError
from fraud_scorer.artifact.plan import ModelPlan
from fraud_scorer.artifact.store import FileMissing, Store, StoredFile, TooLarge


class Needed(Struct, frozen=True, kw_only=True):
    """One version. `planned`: pods are told to hold it."""

    version: str
    manifest: str
    """Digests are 64 hexadecimal digits."""
    model: str
    size: int
    """Of the model, in bytes."""
    planned: bool


def planned(plan: ModelPlan | None) -> list[Needed]:
    """What the plan names, each once."""
    found = {
        one.manifest.sha256: Needed(
            version=one.version,
            manifest=one.manifest.sha256,
            model=one.model.sha256,
            size=one.model.size,
            planned=True,
        )
        for one in (plan.models if plan is not None else ())
    }
    return list(found.values())


def proven(
    primary: Store, *, since: datetime, known: Collection[str], besides: Collection[str]
) -> Iterator[Needed]:
    """Versions whose manifest came among the blobs at `since` or later.

    `known` are blobs that were read before (manifests and models in the backup), `besides` those
    that are taken anyway. Raises Unavailable.
    """
    for file in primary.list_files(f"{layout.BLOBS}/"):
        sha256 = file.path.rpartition("/")[2]
        if file.modified < since or sha256 in known or sha256 in besides:
            continue
        manifest = _manifest(primary, file, sha256)
        if manifest is not None:
            model = manifest.model_file
            yield Needed(
                version=manifest.version,
                manifest=sha256,
                model=model.sha256,
                size=model.size,
                planned=False,
            )


def _manifest(primary: Store, file: StoredFile, sha256: str) -> Manifest | None:
    """None where it is a model, or damaged: heal.py is for what is damaged and needed."""
    if file.size > manifests.MAX_BYTES:
        return None
    try:
        found = primary.read(file.path, limit=manifests.MAX_BYTES)
        data = found[0] if found else b""
        return manifests.decode(data) if sha256_hex(data) == sha256 else None
    except (FileMissing, TooLarge, ManifestError):
        return None
