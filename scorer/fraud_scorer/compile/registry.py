"""Which fitted objects can be compiled, and by what.

Keys are the package and the class name, so that no optional library need be installed for its
family to be registered. A subclass made elsewhere is another class: it may predict anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fraud_scorer.compile.refusal import Refused

if TYPE_CHECKING:
    from fraud_scorer.compile.builder import Builder, Matrix

Transformer = Callable[["Builder", Any, "Matrix"], "Matrix"]
"""(builder, fitted transformer, its columns) -> the columns it makes."""


class Classifier(NamedTuple):
    """`proba(builder, fitted, columns, which)` gives the slot of the probability of
    `classes_[which]`; `decision` that of decision_function, where the class has one."""

    proba: Callable[[Builder, Any, Matrix, int], int]
    decision: Callable[[Builder, Any, Matrix], int] | None = None


_transformers: dict[str, Transformer] = {}
_classifiers: dict[str, Classifier] = {}

_INSTEAD = {
    "Normalizer": "leave it out for trees, or use StandardScaler",
    "PowerTransformer": "use KBinsDiscretizer or StandardScaler",
    "QuantileTransformer": "use KBinsDiscretizer(strategy='quantile')",
    "KNNImputer": "use SimpleImputer, or HistGradientBoostingClassifier without any",
    "IterativeImputer": "use SimpleImputer",
    "TargetEncoder": "use OrdinalEncoder or OneHotEncoder",
    "PCA": "use SelectKBest",
    "TruncatedSVD": "use SelectKBest",
    "SVC": "use LogisticRegression, or a forest",
    "LinearSVC": "use LogisticRegression, or CalibratedClassifierCV around it",
    "KNeighborsClassifier": "use a forest",
    "MLPClassifier": "use HistGradientBoostingClassifier",
    "AdaBoostClassifier": "use GradientBoostingClassifier",
    "StackingClassifier": "use VotingClassifier(voting='soft')",
}


def transformer(*names: str) -> Callable[[Transformer], Transformer]:
    """Register a function for transformers named `package.Class`."""

    def register(function: Transformer) -> Transformer:
        for name in names:
            _transformers[name] = function
        return function

    return register


def classifier(*names: str, compiled: Classifier) -> None:
    """Register how classifiers named `package.Class` are compiled."""
    for name in names:
        _classifiers[name] = compiled


def key(fitted: object) -> str:
    """`package.Class` of a fitted object."""
    kind = type(fitted)
    return f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"


def find_transformer(step: str, fitted: object) -> Transformer:
    """Raises Refused, naming the step, where there is none."""
    try:
        return _transformers[key(fitted)]
    except KeyError:
        raise _refused(step, fitted, "cannot be compiled", _transformers) from None


def find_classifier(step: str, fitted: object) -> Classifier:
    """Raises Refused, naming the step, where there is none."""
    try:
        return _classifiers[key(fitted)]
    except KeyError:
        raise _refused(step, fitted, "cannot be compiled", _classifiers) from None


def supported() -> tuple[list[str], list[str]]:
    """The names of the transformers and of the classifiers that can be compiled."""
    return sorted(_transformers), sorted(_classifiers)


def _refused(step: str, fitted: object, problem: str, known: dict[str, Any]) -> Refused:
    name = type(fitted).__qualname__
    classes = ", ".join(sorted(one.partition(".")[2] for one in known))
    return Refused(step, f"{name} {problem}", _INSTEAD.get(name, f"use one of {classes}"))
