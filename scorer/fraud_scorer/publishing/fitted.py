"""A fitted estimator as its own library scores it: what the compiled model is held against.

It is read back from the very file that is published beside the compiled model, so that what is
compiled, compared and kept is one thing.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import joblib
import numpy as np
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.publishing.rows import Row
from fraud_scorer.publishing.unfit import UnfitError, first_line


class Fitted:
    """A fitted binary classifier, or an IsolationForest, over `features`."""

    def __init__(self, estimator: Any, features: Sequence[Feature]) -> None:
        """Raises UnfitError where it is not fitted, or tells other classes apart than 0 and 1."""
        self.estimator = estimator
        _require_fitted(estimator)
        self.fraud = _fraud_class(estimator)
        """The class whose probability is the score; None for what has no classes."""
        self._features = features

    def scores(self, rows: Sequence[Row]) -> list[np.ndarray[Any, Any]]:
        """The scores of the rows, by one thread: once, or twice where a category is null, which
        some models were taught as None and others as NaN."""
        has_null = any(
            row[column] is None
            for column, feature in enumerate(self._features)
            if feature.type == "category"
            for row in rows
        )
        nulls: list[Any] = [np.nan, None] if has_null else [np.nan]
        found, failures = [], []
        for null in nulls:
            try:
                found.append(self._scored(self._table(rows, null)))
            except Exception as error:  # the model's own code may raise anything
                failures.append(error)
        if not found:
            raise UnfitError(
                f"the model itself cannot score these rows ({first_line(failures[0])})"
            ) from failures[0]
        return found

    def _scored(self, table: Any) -> np.ndarray[Any, Any]:
        with joblib.parallel_config(backend="sequential"), _quiet():
            if self.fraud is None:
                return -np.asarray(self.estimator.score_samples(table), dtype=float)
            column = list(self.estimator.classes_).index(self.fraud)
            return np.asarray(self.estimator.predict_proba(table), dtype=float)[:, column]

    def _table(self, rows: Sequence[Row], null: Any) -> Any:
        """The rows as the estimator was trained: an array, or a DataFrame where it knows names."""
        numeric = all(feature.type == "number" for feature in self._features)
        table = np.empty((len(rows), len(self._features)), dtype=float if numeric else object)
        for i, row in enumerate(rows):
            for j, (value, feature) in enumerate(zip(row, self._features, strict=True)):
                if value is None:
                    value = np.nan if feature.type == "number" else null
                table[i, j] = value
        names = getattr(self.estimator, "feature_names_in_", None)
        if names is None:
            return table
        import pandas  # what was fitted on a DataFrame was so where pandas is

        given = [feature.name for feature in self._features]
        frame = pandas.DataFrame(table, columns=given)[list(names)]
        numbers = {one.name: float for one in self._features if one.type == "number"}
        return frame.astype(numbers)


def freeze(estimator: Any, path: Path) -> None:
    """The estimator as the file that will be uploaded: a copy, so that nobody changes it now."""
    if isinstance(estimator, Path):
        shutil.copyfile(estimator, path)
    else:
        joblib.dump(estimator, path, compress=3)


def thaw(source: Path | IO[bytes]) -> Any:
    """The estimator in a file. The file is code: it is run.

    Raises UnfitError where it cannot be loaded, or was written by another version of scikit-learn.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return joblib.load(source)
    except InconsistentVersionWarning as error:
        raise UnfitError(
            f"the model was made with scikit-learn {error.original_sklearn_version}, and this is"
            f" {error.current_sklearn_version}: publish it where it was trained"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # unpickling may raise anything at all
        raise UnfitError(
            f"the file cannot be loaded ({type(error).__name__}: {first_line(error)}): give a file"
            " that joblib.dump wrote, where everything is installed that the model needs"
        ) from error


def _require_fitted(estimator: Any) -> None:
    name = type(estimator).__name__
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise UnfitError(f"{name} is not fitted: fit it first") from None
    except TypeError:
        raise UnfitError(f"{name} is no classifier: give a fitted one of scikit-learn") from None


def _fraud_class(estimator: Any) -> Any:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return None
    found = [getattr(one, "item", lambda one=one: one)() for one in classes]
    if sorted(found, key=repr) not in ([0, 1], [False, True], [0.0, 1.0]):
        raise UnfitError(f"the model's classes are {found}; a fraud model has 0 and 1, 1 is fraud")
    return classes[found.index(1)]


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
