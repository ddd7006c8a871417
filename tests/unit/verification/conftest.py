"""A version on its way through the three programs, as the Job runs them: in folders of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pytest

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_file, sha256_hex
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.artifact.store import Store
from fraud_scorer.artifact.verdict import Verdict, proof_key
from fraud_scorer.sandbox import Limits
from fraud_scorer.verification.compiling import compile_fetched
from fraud_scorer.verification.fetch import Wanted, fetch
from fraud_scorer.verification.fetched import Folder
from fraud_scorer.verification.judge import Judge, Rules
from fraud_scorer.verification.patience import Patience
from fraud_scorer.verification.signature import Keys
from tests.unit.scorer.support import publish_to

KEY = proof_key("0" * 64, format_version=1, settings="")
MOST = 64 << 20


def patience() -> Patience:
    """None: whatever is away, is away."""
    return Patience(0.0)


class Way:
    """The programs of one verification, each of which can be run by itself."""

    def __init__(self, root: Path, store: Store, artifacts: Store | None = None) -> None:
        self.root, self.store = root, store
        self.artifacts = artifacts or store
        self.folder = Folder(self._made("fetched"))
        self.compiled = self._made("compiled")
        self.rules = Rules(proof_key=KEY, model="card-payments")
        self.keys: Keys | None = None
        self._places = itertools.count()

    def _made(self, name: str) -> Path:
        (self.root / name).mkdir(parents=True)
        return self.root / name

    def fetch(self, version: str = "v1", *, bare: str = "", **changes: Any) -> Verdict | None:
        given: dict[str, Any] = {"version": version, "bare": bare, "source": "", "most": MOST}
        wanted = Wanted(**(given | changes))
        return fetch(self.store, wanted, self.folder, keys=self.keys, patience=patience())

    def compile(self, limits: Limits | None = None) -> bool:
        return compile_fetched(
            self.folder, self.compiled, limits or Limits(memory_bytes=1 << 30), say=lambda _: None
        )

    def judge(self, **changes: Any) -> Verdict:
        """Raises Undecided and Unavailable as the program does."""
        workspace = self._made(f"workspace-{next(self._places)}")
        rules = replace(self.rules, keys=self.keys, **changes)
        return Judge(
            self.folder, self.compiled, self.artifacts, rules, workspace, patience()
        ).verdict()

    def all(self, version: str = "v1", *, bare: str = "", **rules: Any) -> Verdict:
        self.fetch(version, bare=bare)
        self.compile()
        return self.judge(**rules)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """The folder that stands for the bucket."""
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


@pytest.fixture
def way(tmp_path: Path, bucket: Path) -> Way:
    return Way(tmp_path / "job", DirectoryStore(bucket))


@pytest.fixture
def another_way(tmp_path: Path, bucket: Path) -> Callable[[], Way]:
    """Further verifications of the same store."""
    numbers = itertools.count()
    return lambda: Way(tmp_path / f"job-{next(numbers)}", DirectoryStore(bucket))


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a good version, by path: publishing takes a while, copying does not."""
    root = tmp_path_factory.mktemp("published")
    publish_to(root)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def version(bucket: Path, published: dict[str, bytes]) -> Path:
    """The folder of a good version v1 in the bucket."""
    for path, data in published.items():
        (bucket / path).parent.mkdir(parents=True, exist_ok=True)
        (bucket / path).write_bytes(data)
    return bucket / "v1"


def manifest_of(folder: Path) -> Manifest:
    return manifests.decode((folder / "manifest.json").read_bytes())


def rewrite(folder: Path, **changes: Any) -> str:
    """Publish the version with another manifest, which nobody checked; its sha256."""
    manifest = msgspec.structs.replace(manifest_of(folder), **changes)
    data = msgspec.json.encode(manifest)
    (folder / "manifest.json").write_bytes(data)
    return sha256_hex(data)


def refile(folder: Path, name: str = "model.fdm") -> None:
    """Let the manifest name the bytes that lie there, as if they had been published."""
    sha256, size = sha256_file(folder / name)
    rewrite(
        folder,
        files=tuple(
            msgspec.structs.replace(one, sha256=sha256, size=size) if one.path == name else one
            for one in manifest_of(folder).files
        ),
    )


def bare(bucket: Path, what: object, name: str = "model.pkl", version: str = "v1") -> Path:
    """A version as `kubectl cp` of a pickle makes it."""
    path = bucket / version / name
    path.parent.mkdir(parents=True, exist_ok=True)
    joblib.dump(what, path)
    return path
