"""A backup is a model store: where the bucket is gone, a detector starts from it alone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.verdict import Verdict
from fraud_scorer.backup.mirror import mirror

from .conftest import Way


def test_what_was_proven_is_proven_again_from_the_backup(
    way: Way, version: Path, bucket: Path, tmp_path: Path
) -> None:
    before = way.all("v1")
    backup, workspace = DirectoryStore(tmp_path / "backup"), tmp_path / "mirroring"
    for folder in (backup.root, workspace):
        folder.mkdir()
    mirror(
        DirectoryStore(bucket),
        backup,
        None,
        retention=timedelta(days=1),
        now=datetime.now(UTC),
        workspace=workspace,
    )
    shutil.rmtree(bucket)
    after = Way(tmp_path / "anew", backup).all("v1")
    assert (after.outcome, after.digest) == ("Proven", before.digest)
    assert _where(after) == _where(before)


def _where(verdict: Verdict) -> tuple[str, str]:
    assert verdict.manifest is not None
    assert verdict.model is not None
    return verdict.manifest.path, verdict.model.path
