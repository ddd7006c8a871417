"""Publishing a trained model: what a training script calls, and `fraud-scorer publish` behind it.

    from fraud_scorer.publishing import publish_model

    publish_model(
        classifier, to="s3://fraud-models/card-payments/", model="card-payments", version="v1",
        features=[Feature(name="amount", type="number", minimum=0), ...],
        golden=rows[:20], thresholds=Thresholds(review="0.50", decline="0.90"), created_at=now,
    )

The golden transactions are scored by the very bytes that are uploaded, loaded as a scorer loads
them. What a scorer could not serve is refused here, where it can still be put right.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from fraud_scorer.artifact.credentials import AmbientIdentity, Credentials
from fraud_scorer.artifact.digest import sha256_file
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import (
    Feature,
    FileRef,
    Framework,
    Golden,
    Manifest,
    Reference,
    Thresholds,
    Value,
    check_version,
    value_problem,
)
from fraud_scorer.artifact.plan import s3_location
from fraud_scorer.artifact.publish import publish
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import Store
from fraud_scorer.distribution import bins
from fraud_scorer.model.protocol import LoadError, Row
from fraud_scorer.model.sklearn_model import SklearnModel, load, this_framework

MODEL_FILE = "model.joblib"
MAX_GOLDEN = 100
_BATCH = 4096
_UNSEEN = "a category that no training data has"


class UnfitError(ValueError):
    """The model cannot be served as described; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Published:
    """A version that is now in the store."""

    manifest: Manifest
    manifest_sha256: str

    @property
    def digest(self) -> str:
        """The artifact's digest, as status and answers show it."""
        return self.manifest.digest


def publish_model(
    estimator: Any,
    *,
    to: str | Store,
    model: str,
    version: str,
    features: Sequence[Feature],
    golden: Sequence[Mapping[str, Value]],
    thresholds: Thresholds | None = None,
    metrics: Mapping[str, float] | None = None,
    reference: Sequence[Mapping[str, Value]] | None = None,
    created_at: datetime | None = None,
    credentials: Credentials | None = None,
    endpoint: str = "",
    region: str = "",
) -> Published:
    """Publish `estimator` as `version` below `to`: `s3://bucket/prefix/`, a folder, or a Store.

    `estimator` is a fitted classifier, or the Path of a joblib file that this environment wrote.
    `golden` are 1 to 100 transactions' features by name, without scores: these are computed here.
    From `reference` (rows like those, the more the better) come the distributions against which
    drift can be measured. `created_at` is now unless given; the newest version is the one served.
    `credentials` default to what the AWS SDK finds.

    Raises UnfitError, ManifestError, AlreadyPublished and StoreError.
    """
    check_version(version)
    store = _store(to, credentials, endpoint, region)
    with tempfile.TemporaryDirectory(prefix="fraud-publish-") as folder:
        path = _frozen(estimator, Path(folder) / MODEL_FILE)
        framework = this_framework()
        scorer = _loaded(path, framework, features)
        rows = _rows("golden", golden, features)
        if not 1 <= len(rows) <= MAX_GOLDEN:
            raise UnfitError(f"{len(rows)} golden transactions: give 1 to {MAX_GOLDEN}")
        scores = [_score(scorer, [row], f"golden[{i}]")[0] for i, row in enumerate(rows)]
        _probe(scorer, rows[0], features)
        sha256, size = sha256_file(path)
        manifest = Manifest(
            schema_version=1,
            model=model,
            version=version,
            created_at=created_at or datetime.now(UTC),
            framework=framework,
            files=(FileRef(path=MODEL_FILE, sha256=sha256, size=size, role="model"),),
            features=tuple(features),
            golden=tuple(
                Golden(
                    features={one.name: value for one, value in zip(features, row, strict=True)},
                    score=score,
                )
                for row, score in zip(rows, scores, strict=True)
            ),
            thresholds=thresholds,
            reference=_reference(scorer, reference, features) if reference is not None else None,
            metrics={name: float(value) for name, value in (metrics or {}).items()},
        )
        return Published(manifest, publish(store, manifest, {MODEL_FILE: path}))


def _store(to: str | Store, credentials: Credentials | None, endpoint: str, region: str) -> Store:
    if not isinstance(to, str):
        return to
    if "://" not in to:
        return DirectoryStore(Path(to))
    location = s3_location(to, region=region, endpoint=endpoint)
    return S3Store(location, credentials or AmbientIdentity())


def _frozen(estimator: Any, path: Path) -> Path:
    """The estimator as the file that will be uploaded: a copy, so that nobody changes it now."""
    if isinstance(estimator, Path):
        shutil.copyfile(estimator, path)
    else:
        joblib.dump(estimator, path, compress=3)
    return path


def _loaded(path: Path, framework: Framework, features: Sequence[Feature]) -> SklearnModel:
    try:
        scorer = load(path, framework, features)
    except LoadError as error:
        raise UnfitError(str(error)) from error
    names = [feature.name for feature in features]
    if scorer.trained_names and scorer.trained_names != names:
        raise UnfitError(
            f"the model was trained on the columns {scorer.trained_names}, but the features are"
            f" {names}: name them alike and in the same order"
        )
    return scorer


def _rows(
    what: str, given: Sequence[Mapping[str, Value]], features: Sequence[Feature]
) -> list[list[Value]]:
    """Values in the order of the features. Raises UnfitError, naming row and feature."""
    names = {feature.name for feature in features}
    plain = [{name: _plain(value) for name, value in row.items()} for row in given]
    for index, row in enumerate(plain):
        for name in sorted(names ^ row.keys()):
            problem = "is missing" if name in names else "is not among the features"
            raise UnfitError(f"{what}[{index}]: {name!r} {problem}")
        for feature in features:
            if problem := value_problem(feature, row[feature.name]):
                raise UnfitError(f"{what}[{index}].{feature.name} {problem}")
    return [[row[feature.name] for feature in features] for row in plain]


def _plain(value: Any) -> Value:
    """A Python value where NumPy or pandas gave one of its own."""
    plain: Value = value.item() if isinstance(value, np.generic) else value
    return plain


def _score(scorer: SklearnModel, rows: Sequence[Row], what: str) -> list[float]:
    try:
        scores = scorer.score(rows)
    except Exception as error:  # the model's own code may raise anything
        raise UnfitError(
            f"the model cannot score {what} ({_first_line(error)}). It gets arrays with"
            " the features in their order, numbers as floats with NaN for null and strings for"
            " categories: train it on arrays, and choose columns by position"
        ) from error
    if not all(0 <= score <= 1 for score in scores):
        raise UnfitError(f"the model's score of {what} is not a probability from 0 to 1")
    return scores


def _probe(scorer: SklearnModel, row: Sequence[Value], features: Sequence[Feature]) -> None:
    """Score what the features allow but the golden transactions may not show.

    A value that passes a request's checks and then makes the model raise would be an error of
    the service's own; so it is found here.
    """
    for column, feature in enumerate(features):
        allowed: list[tuple[Value, str]] = []
        if feature.type == "number":
            low, high = feature.bounds
            allowed += [(low, "raise its minimum"), (high, "lower its maximum")]
        if feature.nullable:
            allowed.append((None, "give it an imputer, or drop nullable"))
        if feature.type == "category" and feature.categories is None:
            allowed.append((_UNSEEN, "let its encoder ignore unknown ones, or list categories"))
        for category in feature.categories or ():
            allowed.append((category, "list only categories that the model knows"))
        rows = [[*row[:column], value, *row[column + 1 :]] for value, _ in allowed]
        try:
            _score(scorer, rows, feature.name)
        except UnfitError:
            for one, (value, advice) in zip(rows, allowed, strict=True):
                try:
                    _score(scorer, [one], feature.name)
                except UnfitError as error:
                    why = _first_line(error.__cause__ or error)
                    raise UnfitError(
                        f"{feature.name} may be {value!r}, but the model says {why!r}: {advice}"
                    ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _reference(
    scorer: SklearnModel, given: Sequence[Mapping[str, Value]], features: Sequence[Feature]
) -> Reference:
    rows = _rows("reference", given, features)
    if not rows:
        raise UnfitError("reference: give at least one row, or none at all")
    scores: list[float] = []
    for start in range(0, len(rows), _BATCH):
        scores += _score(scorer, rows[start : start + _BATCH], f"reference[{start}...]")
    numbers = {
        feature.name: [
            float(value) for row in rows if isinstance(value := row[column], float | int)
        ]
        for column, feature in enumerate(features)
        if feature.type == "number"
    }
    return Reference(
        features={name: bins(values) for name, values in numbers.items() if values},
        score=bins(scores),
    )
