"""What the compiler does not take is refused by the name of its step, with what to use instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fraud_scorer.compile import Refused, compile_model
from fraud_scorer.engine import load
from tests.unit.engine.catalogue import CATEGORIES, NUMBERS, forest, logistic, table
from tests.unit.engine.data import Spec

TREE = DecisionTreeClassifier(max_depth=3, random_state=0)


class TunedForest(RandomForestClassifier):
    """Somebody's subclass: it may predict anything."""


REFUSED = [
    (make_pipeline(PCA(3), TREE), "model.pca", "PCA", "SelectKBest"),
    (make_pipeline(StandardScaler(), SVC()), "model.svc", "SVC", "LogisticRegression"),
    (AdaBoostClassifier(n_estimators=3), "model", "AdaBoostClassifier", "GradientBoosting"),
    (make_pipeline(Normalizer(), TREE), "model.normalizer", "Normalizer", "StandardScaler"),
    (StackingClassifier([("a", TREE)]), "model", "StackingClassifier", "VotingClassifier"),
    (VotingClassifier([("a", TREE)], voting="hard"), "model", "hard votes", "voting='soft'"),
    (VotingClassifier([("a", TREE), ("b", Perceptron())]), "model", "hard", "soft"),
    (SGDClassifier(), "model", "loss='hinge'", "log_loss"),
    (BaggingClassifier(Perceptron(), 2), "model.estimator 0", "votes", "probabilities"),
    (GradientBoostingClassifier(n_estimators=2, init=TREE), "model", "init", "default"),
    (TunedForest(3), "model", "TunedForest", "RandomForestClassifier"),
    (
        make_pipeline(FunctionTransformer(lambda x: x), TREE),
        "model.functiontransformer",
        "code",
        "log1p",
    ),
    (
        Pipeline([("logs", FunctionTransformer(np.log1p)), ("trees", TREE)]),
        "model.trees",
        "threshold",
        "accept_inexact",
    ),
    (
        make_pipeline(
            FunctionTransformer(np.exp), KBinsDiscretizer(3, quantile_method="linear"), logistic()
        ),
        "model.kbinsdiscretizer",
        "threshold",
        "accept_inexact",
    ),
    (CalibratedClassifierCV(make_pipeline(PCA(2), TREE), cv=2), "model.member 0.pca", "PCA", ""),
]


@pytest.mark.parametrize(("model", "step", "what", "instead"), REFUSED, ids=lambda v: str(v)[:40])
def test_by_name(model: Any, step: str, what: str, instead: str) -> None:
    train = table("numbers", 120, 3)
    frame = np.abs(train.frame)
    model.fit(np.log1p(frame) if step == "model.kbinsdiscretizer" else frame, train.y)
    with pytest.raises(Refused) as refused:
        compile_model(model, train.specs)
    assert refused.value.step == step
    assert what in refused.value.problem
    assert instead in str(refused.value)


def test_three_classes() -> None:
    train = table("numbers", 90, 3)
    model = TREE.fit(train.frame, np.arange(90) % 3)
    with pytest.raises(Refused, match="3 classes"):
        compile_model(model, train.specs)


def test_sparse_cubes() -> None:
    train = table("mixed", 120, 3)
    columns = ColumnTransformer(
        [("c", OneHotEncoder(handle_unknown="ignore"), CATEGORIES)], sparse_threshold=1.0
    )
    model = make_pipeline(columns, PolynomialFeatures(3), logistic()).fit(train.frame, train.y)
    with pytest.raises(Refused, match="sparse_threshold=0"):
        compile_model(model, train.specs)


def test_a_category_that_no_encoder_turned_into_a_number() -> None:
    train = table("mixed", 120, 3)
    columns = ColumnTransformer([("n", "passthrough", NUMBERS)])
    model = make_pipeline(columns, forest()).fit(train.frame, train.y)
    specs = [Spec(s.name, "category", True) for s in train.specs]
    with pytest.raises(Refused, match="arrives where numbers are needed"):
        compile_model(model, specs)


def test_strings_declared_as_numbers() -> None:
    train = table("mixed", 120, 3)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("c", encoder, CATEGORIES)])
    model = make_pipeline(columns, forest()).fit(train.frame, train.y)
    with pytest.raises(Refused, match="declare the feature as a category"):
        compile_model(model, [Spec(s.name, "number", True) for s in train.specs])


def test_features_that_do_not_match() -> None:
    train = table("mixed", 120, 3)
    model = make_pipeline(ColumnTransformer([("n", StandardScaler(), NUMBERS)]), logistic())
    frame = train.frame.fillna(dict.fromkeys(NUMBERS, 0))
    model.fit(frame, train.y)
    with pytest.raises(Refused, match=r"missing \['country'\], unknown \['land'\]"):
        compile_model(
            model,
            [Spec("land" if s.name == "country" else s.name, s.type, True) for s in train.specs],
        )
    with pytest.raises(Refused, match="7 given"):
        compile_model(
            TREE.fit(table("numbers", 90, 3).frame, table("numbers", 90, 3).y), train.specs[:7]
        )


def test_order_of_features_is_free_where_there_are_names() -> None:
    train = table("mixed", 200, 3)
    columns = ColumnTransformer(
        [
            ("n", "passthrough", NUMBERS),
            ("c", OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES),
        ]
    )
    model = make_pipeline(columns, forest()).fit(train.frame, train.y)
    straight, reversed_ = (
        load(compile_model(model, train.specs)),
        load(compile_model(model, train.specs[::-1])),
    )
    for row in train.rows[:50]:
        assert straight.score_one(row) == reversed_.score_one(row[::-1])


@pytest.mark.parametrize(
    "model",
    [
        TREE,
        logistic(),
        GradientBoostingClassifier(n_estimators=4),
        CalibratedClassifierCV(TREE, cv=2),
        BaggingClassifier(TREE, 3),
    ],
    ids=repr,
)
def test_the_positive_class_can_be_the_first(model: Any) -> None:
    train = table("numbers", 200, 3)
    labels = np.where(train.y == 1, "bad", "good")
    model.fit(train.frame / 100, labels)
    engine = load(compile_model(model, train.specs, positive="bad"))
    assert engine.header.positive_class == "bad"
    rows = [tuple(v / 100 for v in row if isinstance(v, float)) for row in train.rows]
    theirs = model.predict_proba(train.frame / 100)[:, 0]
    np.testing.assert_allclose(engine.score_rows(rows), theirs, rtol=0, atol=1e-15)
    with pytest.raises(Refused, match="'worse' is not among"):
        compile_model(model, train.specs, positive="worse")


def test_accepted_with_its_flip_rate() -> None:
    train = table("numbers", 300, 3)
    frame = np.abs(train.frame)
    rows = [tuple(abs(v) for v in row if isinstance(v, float)) for row in train.rows]
    model = make_pipeline(FunctionTransformer(np.log1p), TREE).fit(frame, train.y)
    with pytest.raises(Refused, match="reference rows"):
        compile_model(model, train.specs, accept_inexact=True)
    engine = load(compile_model(model, train.specs, accept_inexact=True, reference=frame))
    assert engine.header.exactness == "bounded"
    assert engine.header.flips is not None
    assert engine.header.flips.rows == 300
    theirs = model.predict_proba(frame)[:, 1]
    differ = int((np.abs(np.array(engine.score_rows(rows)) - theirs) > 1e-9).sum())
    assert engine.header.flips.flipped == differ


def test_an_exact_function_needs_no_acceptance() -> None:
    train = table("numbers", 100, 3)
    model = make_pipeline(FunctionTransformer(np.abs), TREE).fit(train.frame, train.y)
    assert load(compile_model(model, train.specs)).header.exactness == "exact"


def test_a_forest_of_one_and_a_linear_model_of_logs() -> None:
    train = table("numbers", 200, 3)
    frame = np.abs(train.frame)
    model = make_pipeline(
        FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression()
    ).fit(frame, train.y)
    engine = load(compile_model(model, train.specs))
    rows = [tuple(abs(v) for v in row if isinstance(v, float)) for row in train.rows]
    np.testing.assert_allclose(
        engine.score_rows(rows), model.predict_proba(frame)[:, 1], atol=1e-13
    )
