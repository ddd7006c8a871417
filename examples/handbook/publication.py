"""A trained model as a version in a model store: its inputs, thresholds and golden transactions.

Thresholds and reference distributions come from the week between training and test: the model has
not seen it, and its frauds are not known yet, as on the day of publication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from examples.handbook.inputs import Inputs
from examples.handbook.streams import Floats
from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.artifact.store import Store
from fraud_scorer.publishing import Published, publish_model

REVIEWED, DECLINED = 0.01, 0.003
"""Which share of transactions people can look at, and which the business can do without."""
_GOLDEN = 24  # of either kind
_REFERENCE = 10_000
_DIGITS = 4


class Estimator(Protocol):
    """What is used of a scikit-learn classifier."""

    def fit(self, rows: Floats, fraud: Any) -> Any: ...
    def predict_proba(self, rows: Floats) -> Any: ...
    def set_params(self, **parameters: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with the transactions (rows of features) that describe it."""

    estimator: Estimator
    inputs: Inputs
    thresholds: Thresholds
    unlabelled: Floats
    test: Floats
    fraud: NDArray[np.bool_]
    """Which transactions of `test` are frauds."""
    metrics: dict[str, float]


def publish(store: Store, trained: Trained, *, name: str, version: str) -> Published:
    """Publish the model. Raises StoreError, ManifestError and UnfitError."""
    golden, names = _golden(trained), trained.inputs.names
    return publish_model(
        trained.estimator,
        to=store,
        model=name,
        version=version,
        features=trained.inputs.features,
        golden=_named(names, trained.test[golden]),
        golden_labels=["fraud" if one else "genuine" for one in trained.fraud[golden]],
        thresholds=trained.thresholds,
        metrics=trained.metrics,
        reference=_named(names, _evenly(trained.unlabelled, _REFERENCE)),
        reasons={name: _meaning(name) for name in names},
    )


def probabilities(estimator: Estimator, rows: Floats) -> Floats:
    """The probability of fraud of each row."""
    both: Floats = estimator.predict_proba(rows)
    return both[:, 1]


def thresholds(scores: Floats) -> Thresholds:
    """Such that REVIEWED of these scores reach `review` and DECLINED reach `decline`."""
    step = 10.0**-_DIGITS
    decline = round(float(np.quantile(scores, 1 - DECLINED)), _DIGITS)
    review = round(float(np.quantile(scores, 1 - REVIEWED)), _DIGITS)
    # However few scores there are, there is a review before there is a decline.
    decline = min(max(decline, 2 * step), 1.0)
    review = min(max(review, step), decline - step)
    return Thresholds(review=f"{review:.{_DIGITS}f}", decline=f"{decline:.{_DIGITS}f}")


def _meaning(name: str) -> str:
    """What a feature says of a transaction, for whoever reviews it."""
    kinds = {
        "amount": "The amount of the transaction",
        "weekend": "It is on a weekend",
        "night": "It is at night",
        "customer_count": "How often the customer paid",
        "customer_mean_amount": "What the customer usually pays",
        "terminal_count": "How often the terminal was used",
        "terminal_fraud_share": "How many frauds the terminal has seen",
    }
    if name in kinds:
        return kinds[name]
    kind, _, days = name.rpartition("_")
    return f"{kinds[kind]}, over {days.removesuffix('d')} days"


def _golden(trained: Trained) -> NDArray[np.intp]:
    """Places of genuine transactions and frauds, each from the lowest score to the highest, by
    score."""
    ranked = np.argsort(probabilities(trained.estimator, trained.test), kind="stable")
    fraud = trained.fraud[ranked]
    chosen = [_spread(np.flatnonzero(fraud == kind), _GOLDEN) for kind in (False, True)]
    places: NDArray[np.intp] = ranked[np.sort(np.concatenate(chosen))]
    return places


def _evenly(rows: Floats, count: int) -> Floats:
    """At most `count` rows from the first to the last."""
    chosen: Floats = rows[_spread(np.arange(len(rows)), count)]
    return chosen


def _spread(places: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """At most `count` of the places, from the first to the last."""
    chosen = np.unique(np.linspace(0, len(places) - 1, count).round().astype(int))
    found: NDArray[np.intp] = places[chosen[: len(places)]]
    return found


def _named(names: Sequence[str], rows: Floats) -> list[dict[str, float]]:
    return [dict(zip(names, row, strict=True)) for row in rows.tolist()]
