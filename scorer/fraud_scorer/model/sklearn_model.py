"""Binary classifiers of scikit-learn, from joblib files.

A joblib file is code: it is loaded only after its digest was checked, and only with the very
version of scikit-learn that wrote it, as another may load it and compute something else. No other
module of the service imports scikit-learn.

Scores use one thread, so that a small pod's scores do not wait for threads it has no cores for. A
model may give a row another last bit in a batch than alone (linear ones do, by up to 21 ulp).
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn

from fraud_scorer.artifact.manifest import Feature, Framework
from fraud_scorer.model.protocol import FrameworkMismatchError, LoadError, Row

# Fitted with column names, asked with arrays: publishing checks that the order is the same.
warnings.filterwarnings("ignore", message="X does not have valid feature names")


def this_framework() -> Framework:
    """What a model published from this process was made with."""
    return Framework(
        name="scikit-learn", version=sklearn.__version__, python=platform.python_version()
    )


class SklearnModel:
    """A fitted binary classifier whose inputs are `features`, in that order."""

    def __init__(self, estimator: Any, features: Sequence[Feature]) -> None:
        """Raises LoadError where the estimator cannot serve those features."""
        self._estimator = estimator
        self._fraud = _fraud_column(estimator)
        self._numeric = all(feature.type == "number" for feature in features)
        self._is_number = [feature.type == "number" for feature in features]
        self.trained_names = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
        """The columns it was fitted with, where it knows."""
        expected = getattr(estimator, "n_features_in_", len(features))
        if expected != len(features):
            raise LoadError(
                f"the model takes {expected} features, the manifest names {len(features)}"
            )

    def score(self, rows: Sequence[Row]) -> list[float]:
        with joblib.parallel_config(backend="sequential"):
            shares = self._estimator.predict_proba(self._matrix(rows))
        return [float(score) for score in shares[:, self._fraud]]

    def _matrix(self, rows: Sequence[Row]) -> Any:
        """Numbers as floats with NaN for null; with categories, objects with None for theirs."""
        if self._numeric:
            return np.array(rows, dtype=np.float64)
        matrix = np.empty((len(rows), len(self._is_number)), dtype=object)
        for i, row in enumerate(rows):
            for j, (value, number) in enumerate(zip(row, self._is_number, strict=True)):
                matrix[i, j] = np.nan if number and value is None else value
        return matrix


def load(path: Path, framework: Framework, features: Sequence[Feature]) -> SklearnModel:
    """The model in a joblib file whose digest was already checked.

    Raises FrameworkMismatchError, and LoadError for whatever else is wrong with it.
    """
    here = this_framework()
    if framework.version != here.version:
        raise FrameworkMismatchError(
            f"the model was made with scikit-learn {framework.version}, this scorer has"
            f" {here.version}: train and publish with {here.version}, or run a scorer image that"
            f" has {framework.version}",
            expected=framework.version,
            actual=here.version,
        )
    try:
        estimator = joblib.load(path)
    except Exception as error:  # unpickling may raise anything at all
        raise LoadError(
            f"the file cannot be loaded ({type(error).__name__}: {error}); publish it from an"
            " environment that has only what the scorer's image has"
        ) from error
    return SklearnModel(estimator, features)


def _fraud_column(estimator: Any) -> int:
    """Which column of predict_proba is fraud: that of the class 1 (or True)."""
    if not hasattr(estimator, "predict_proba"):
        raise LoadError(
            f"{type(estimator).__name__} has no predict_proba: give a fitted classifier, or wrap"
            " it in CalibratedClassifierCV"
        )
    classes = [getattr(one, "item", lambda one=one: one)() for one in _classes(estimator)]
    if sorted(classes, key=repr) not in ([0, 1], [False, True], [0.0, 1.0]):
        raise LoadError(f"the model's classes are {classes}; a fraud model has 0 and 1, 1 is fraud")
    return classes.index(1)


def _classes(estimator: Any) -> Sequence[Any]:
    try:
        return list(estimator.classes_)
    except AttributeError:
        raise LoadError(f"{type(estimator).__name__} is not fitted: fit it first") from None
