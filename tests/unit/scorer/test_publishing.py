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
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures
from sklearn.svm import SVC, LinearSVC

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_file
from fraud_scorer.artifact.manifest import Feature, ManifestError
from fraud_scorer.artifact.publish import AlreadyPublished
from fraud_scorer.compile import compile_model
from fraud_scorer.engine import FORMAT_VERSION
from fraud_scorer.publishing import UnfitError, publish_model
from fraud_scorer.publishing.fitted import Fitted
from tests.unit.scorer.support import GOLDEN, NUMBERS, classifier, linear, loaded, publish_to

GOOD = [{"a": 1.0, "b": 1.0}]
TWO = NUMBERS


def test_what_was_published_is_loaded_with_the_same_scores(tmp_path: Path) -> None:
    published = publish_to(tmp_path)
    model = loaded(tmp_path)
    assert model.digest == published.digest
    assert (model.review, model.decline) == (0.5, 0.9)
    scores = [golden.score for golden in published.manifest.golden]
    rows = [model.inputs.row(row) for row in GOLDEN]
    assert model.model.score_rows(rows) == scores
    assert published.manifest.framework.version == sklearn.__version__
    assert published.manifest.engine.version == FORMAT_VERSION


def test_scores_are_those_of_the_estimator(tmp_path: Path) -> None:
    published = publish_to(tmp_path, reference=[*GOLDEN] * 3)
    assert (published.exactness, published.worst_difference) == ("exact", 0.0)
    table = np.array([[row[name] for name in row] for row in GOLDEN], dtype=object)
    table[table == None] = np.nan  # noqa: E711
    with joblib.parallel_config(backend="sequential"):  # threads add up in any order
        theirs = classifier().predict_proba(table)[:, 1].tolist()
    assert [golden.score for golden in published.manifest.golden] == theirs


def test_what_was_compiled_and_what_from_lie_side_by_side(tmp_path: Path) -> None:
    manifest = publish_to(tmp_path).manifest
    assert [(file.path, file.role) for file in manifest.files] == [
        ("model.fdm", "model"),
        ("model.joblib", "source"),
    ]
    for file in manifest.files:
        assert sha256_file(tmp_path / "v1" / file.path) == (file.sha256, file.size)
    assert manifest.digest == f"sha256:{manifest.files[0].sha256}"
    theirs = joblib.load(tmp_path / "v1/model.joblib")
    assert compile_model(theirs, manifest.features) == (tmp_path / "v1/model.fdm").read_bytes()


def test_reference_rows_bring_reasons(tmp_path: Path) -> None:
    assert not publish_to(tmp_path, "v1").explains
    assert publish_to(tmp_path, "v2", reference=GOLDEN).explains
    one, other = (loaded(tmp_path, version) for version in ("v1", "v2"))
    assert (one.explains, other.explains) == (False, True)


def test_a_model_that_can_have_no_reasons_is_published_without(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 2))
    curved = make_pipeline(PolynomialFeatures(2), LogisticRegression()).fit(rows, rows[:, 0] > 0)
    named = [{"a": float(a), "b": float(b)} for a, b in rows]
    given: dict[str, Any] = {"features": TWO, "golden": named[:3], "reference": named}
    published = publish_model(curved, to=str(tmp_path), model="m", version="v1", **given)
    assert not published.explains
    assert published.manifest.reference is not None


def test_texts_of_reasons_reach_the_manifest(tmp_path: Path) -> None:
    published = publish_to(tmp_path, reasons={"amount": "The amount is unusual"})
    assert published.manifest.reasons == {"amount": "The amount is unusual"}
    with pytest.raises(ManifestError, match="is not the reason of any"):
        publish_to(tmp_path, "v2", reasons={"weather": "It rains"})


@pytest.mark.parametrize("factor", [1 + 1e-15, 1 - 1e-6], ids=["a last bit", "far off"])
def test_a_model_that_was_compiled_wrongly_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    original = Fitted.scores
    monkeypatch.setattr(Fitted, "scores", lambda *args: [factor * each for each in original(*args)])
    with pytest.raises(UnfitError, match=r"golden\[0\] scores .* 'exact' .* defect"):
        publish_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_same_arguments_publish_the_same_bytes(tmp_path: Path) -> None:
    for store in ("one", "other"):
        publish_to(tmp_path / store)
    for file in ("manifest.json", "model.fdm", "model.joblib"):
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


@pytest.mark.parametrize(
    ("estimator", "changes", "message"),
    [
        (fit(LinearSVC()), {}, "use CalibratedClassifierCV around it"),
        (fit(SVC()), {}, "cannot be compiled. model: SVC .* use LogisticRegression"),
        ({"a": 1}, {}, "dict is no classifier"),
        (LogisticRegression(), {}, "is not fitted"),
        (fit(LogisticRegression(), ["no", "yes"]), {}, "a fraud model has 0 and 1"),
        (fit(LogisticRegression(), [1, 2]), {}, "a fraud model has 0 and 1"),
        (linear(), {"features": TWO[:1], "golden": [{"a": 1.0}]}, "fitted on 2 columns"),
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
            "'b' arrives where numbers are needed",
        ),
        (linear(), {"features": (*TWO, TWO[0]), "golden": GOOD}, "a name of its own"),
    ],
)
def test_what_cannot_be_served_is_refused(
    tmp_path: Path, estimator: Any, changes: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"features": TWO, "golden": [{"a": 1.0, "b": 2.0}]} | changes
    with pytest.raises((UnfitError, ManifestError), match=message):
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


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"b": [0.0, 1.0, 0.2] * 5, "a": [0.0, 1.0, 0.9] * 5})
    chosen = ColumnTransformer([("keep", "passthrough", ["a"])])
    model = make_pipeline(chosen, LogisticRegression()).fit(frame, [0, 1, 1] * 5)
    published = publish_model(
        model, to=str(tmp_path), model="m", version="v1", features=TWO, golden=[{"a": 1, "b": 0}]
    )
    theirs = model.predict_proba(pd.DataFrame({"b": [0.0], "a": [1.0]}))[0, 1]
    assert published.manifest.golden[0].score == pytest.approx(theirs, abs=1e-12)


def test_a_model_of_other_columns_is_refused(tmp_path: Path) -> None:
    model = RandomForestClassifier(2).fit(pd.DataFrame({"a": [0.0, 1.0], "c": [0.0, 1.0]}), [0, 1])
    with pytest.raises(UnfitError, match=r"missing \['c'\], unknown \['b'\]"):
        publish_model(model, to=str(tmp_path), model="m", version="v1", features=TWO, golden=GOOD)


def test_a_model_of_another_scikit_learn_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("sklearn.base.__version__", "1.0")
        joblib.dump(linear(), tmp_path / "old.joblib")
    with pytest.raises(UnfitError, match=r"made with scikit-learn 1\.0.*publish it where it was"):
        publish_model(
            tmp_path / "old.joblib",
            to=str(tmp_path / "store"),
            model="m",
            version="v1",
            features=TWO,
            golden=GOOD,
        )


@pytest.mark.parametrize("null", [None, np.nan], ids=repr)
def test_a_category_that_is_null_is_whatever_the_model_was_taught(
    tmp_path: Path, null: float | None
) -> None:
    rows = np.array([["app"], ["web"], [null]] * 5, dtype=object)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(rows, [0, 1, 1] * 5)
    feature = Feature(name="channel", type="category", nullable=True, categories=("app", "web"))
    published = publish_model(
        model,
        to=str(tmp_path),
        model="m",
        version="v1",
        features=[feature],
        golden=[{"channel": None}, {"channel": "app"}],
    )
    assert published.worst_difference < 1e-12


def test_a_version_that_cannot_be_named_so_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"\$\.version"):
        publish_to(tmp_path, version="v 1")


def test_a_manifest_that_was_written_can_be_read(tmp_path: Path) -> None:
    published = publish_to(tmp_path, reference=GOLDEN, metrics={"auc": np.float64(0.9)})
    data = (tmp_path / "v1/manifest.json").read_bytes()
    assert manifests.decode(data) == published.manifest
