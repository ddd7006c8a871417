"""What a scorer could not serve is refused where it is published, with what to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.manifest import Feature, ManifestError
from fraud_scorer.artifact.publish import AlreadyPublished
from fraud_scorer.publishing import UnfitError, publish_model
from tests.unit.scorer.support import GOLDEN, classifier, linear, loaded, publish_to

GOOD = [{"a": 1.0, "b": 1.0}]
TWO = (Feature(name="a", type="number"), Feature(name="b", type="number"))


def test_what_was_published_is_loaded_with_the_same_scores(tmp_path: Path) -> None:
    published = publish_to(tmp_path)
    model = loaded(tmp_path)
    assert model.digest == published.digest
    assert (model.review, model.decline) == (0.5, 0.9)
    scores = [golden.score for golden in published.manifest.golden]
    rows = [[row[feature.name] for feature in model.manifest.features] for row in GOLDEN]
    assert model.model.score(rows) == scores
    assert published.manifest.framework.version == sklearn.__version__


def test_the_same_arguments_publish_the_same_bytes(tmp_path: Path) -> None:
    for store in ("one", "other"):
        publish_to(tmp_path / store)
    for file in ("manifest.json", "model.joblib"):
        one, other = (tmp_path / store / "v1" / file for store in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


def test_a_file_is_published_as_it_is(tmp_path: Path) -> None:
    joblib.dump(classifier(), tmp_path / "mine.joblib")
    publish_to(tmp_path / "store", estimator=tmp_path / "mine.joblib")
    assert (tmp_path / "store/v1/model.joblib").read_bytes() == (
        tmp_path / "mine.joblib"
    ).read_bytes()


def test_a_version_is_published_once(tmp_path: Path) -> None:
    publish_to(tmp_path)
    with pytest.raises(AlreadyPublished):
        publish_to(tmp_path)


def test_numbers_of_numpy_and_pandas_are_numbers(tmp_path: Path) -> None:
    golden: Any = [{"a": np.float32(0.5), "b": np.int64(2)}]
    published = publish_model(
        linear(), to=str(tmp_path), model="m", version="v1", features=TWO, golden=golden
    )
    assert published.manifest.golden[0].features == {"a": 0.5, "b": 2.0}


def test_reference_distributions_come_from_the_rows(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": float(i), "b": 7.0} for i in range(1000)]
    published = publish_model(
        linear(),
        to=str(tmp_path),
        model="m",
        version="v1",
        features=TWO,
        golden=rows[:1],
        reference=rows,
    )
    reference = published.manifest.reference
    assert reference is not None
    assert reference.features["a"].shares == pytest.approx((0.1,) * 10)
    assert reference.features["a"].edges[0] == 0.0
    assert reference.features["a"].edges[-1] == pytest.approx(999.0)
    assert reference.features["b"].shares == (1.0,)
    assert sum(reference.score.shares) == pytest.approx(1)


def fit(estimator: Any, labels: Any = (0, 1)) -> Any:
    return estimator.fit(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array(labels))


class Constant:
    """A classifier that returns what it was told, even if it is no probability."""

    classes_ = (0, 1)
    n_features_in_ = 2

    def __init__(self, score: float) -> None:
        self.score = score

    def predict_proba(self, rows: Any) -> Any:
        return np.full((len(rows), 2), self.score)


@pytest.mark.parametrize(
    ("estimator", "changes", "message"),
    [
        (fit(LinearSVC()), {}, "wrap it in CalibratedClassifierCV"),
        (LogisticRegression(), {}, "is not fitted"),
        (fit(LogisticRegression(), ["no", "yes"]), {}, "a fraud model has 0 and 1"),
        (fit(LogisticRegression(), [1, 2]), {}, "a fraud model has 0 and 1"),
        (linear(), {"features": TWO[:1], "golden": [{"a": 1.0}]}, "takes 2 features"),
        (linear(), {"golden": []}, "give 1 to 100"),
        (linear(), {"golden": [{"a": 1.0, "b": 1.0}] * 101}, "give 1 to 100"),
        (linear(), {"golden": [{"a": 1.0}]}, r"golden\[0\]: 'b' is missing"),
        (linear(), {"golden": [{"a": 1.0, "b": 1, "c": 1}]}, "'c' is not among the features"),
        (linear(), {"golden": [{"a": 1.0, "b": "x"}]}, r"golden\[0\]\.b must be a number"),
        (linear(), {"golden": [{"a": 1.0, "b": None}]}, "must not be null"),
        (linear(), {"golden": [{"a": 1.0, "b": float("nan")}]}, "must be a finite number"),
        (linear(), {"reference": []}, "give at least one row"),
        (
            linear(),
            {"features": (TWO[0], Feature(name="b", type="number", nullable=True))},
            "b may be None.*give it an imputer, or drop nullable",
        ),
        (
            linear(),
            {
                "features": (TWO[0], Feature(name="b", type="category")),
                "golden": [{"a": 1.0, "b": "7"}],
            },
            "b may be 'a category that no training data has'",
        ),
        (Constant(1.5), {}, "is not a probability"),
        (Constant(float("nan")), {}, "is not a probability"),
    ],
)
def test_what_cannot_be_served_is_refused(
    tmp_path: Path, estimator: Any, changes: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"features": TWO, "golden": [{"a": 1.0, "b": 2.0}]} | changes
    with pytest.raises(UnfitError, match=message):
        publish_model(estimator, to=str(tmp_path), model="m", version="v1", **given)
    assert list(tmp_path.iterdir()) == []


def test_a_category_that_the_model_refuses_must_be_listed(tmp_path: Path) -> None:
    rows = np.array([["app"], ["web"]] * 5, dtype=object)
    strict = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(rows, [0, 1] * 5)
    given: dict[str, Any] = {"to": str(tmp_path), "model": "m", "golden": [{"channel": "app"}]}
    with pytest.raises(UnfitError, match="let its encoder ignore unknown ones, or list categories"):
        publish_model(
            strict, version="v1", features=[Feature(name="channel", type="category")], **given
        )
    listed = Feature(name="channel", type="category", categories=("app", "web"))
    publish_model(strict, version="v1", features=[listed], **given)


def test_columns_in_another_order_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"b": [0.0, 1.0], "a": [0.0, 1.0]})
    model = RandomForestClassifier(2).fit(frame, [0, 1])
    with pytest.raises(UnfitError, match=r"trained on the columns \['b', 'a'\]"):
        publish_model(
            model,
            to=str(tmp_path),
            model="m",
            version="v1",
            features=TWO,
            golden=GOOD,
        )


def test_a_model_that_needs_data_frames_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 1.0]})
    chosen = ColumnTransformer([("keep", "passthrough", ["a"])])
    model = make_pipeline(chosen, LogisticRegression()).fit(frame, [0, 1])
    with pytest.raises(UnfitError, match="train it on arrays, and choose columns by position"):
        publish_model(
            model,
            to=str(tmp_path),
            model="m",
            version="v1",
            features=TWO,
            golden=GOOD,
        )


def test_a_version_that_cannot_be_named_so_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"\$\.version"):
        publish_to(tmp_path, version="v 1")


def test_a_manifest_that_was_written_can_be_read(tmp_path: Path) -> None:
    published = publish_to(tmp_path, reference=GOLDEN, metrics={"auc": np.float64(0.9)})
    data = (tmp_path / "v1/manifest.json").read_bytes()
    assert manifests.decode(data) == published.manifest
