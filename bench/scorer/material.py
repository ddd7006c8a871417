"""What every server gets: the same model in its own form, and the same distinct transactions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from bench import models
from examples.handbook.publication import thresholds
from fraud_scorer.artifact.manifest import Feature, Thresholds
from fraud_scorer.engine import load
from fraud_scorer.publishing import publish_model

NAME, VERSION = "card-payments", "v1"
TRANSACTIONS = 4096
_GOLDEN = 16
_REFERENCE = 1000
_START = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Material:
    """One trained model. Its folder holds model.joblib, names.json and rows.npy for the peers; what
    was published is in `version`."""

    name: str
    folder: Path
    nodes: int
    thresholds: Thresholds
    digest: str
    transactions: list[dict[str, Any]]
    """Bodies of POST /v1/score."""
    expected: models.Floats
    """scikit-learn's scores of the transactions."""

    @property
    def version(self) -> Path:
        return self.folder / "published" / VERSION

    @property
    def compiled(self) -> Path:
        """The compiled model that the version holds."""
        return self.version / "model.fdm"

    @property
    def trained(self) -> Path:
        """What the peers load."""
        return self.folder / "model.joblib"


def material(name: str, estimator: Any, data: models.Data, folder: Path) -> Material:
    """Train, save, compile and publish."""
    folder.mkdir(parents=True)
    trained = models.fitted(estimator, data)
    rows = data.scored[:TRANSACTIONS]
    expected = trained.predict_proba(rows)[:, 1]
    chosen = thresholds(expected)
    joblib.dump(trained, folder / "model.joblib")
    np.save(folder / "rows.npy", rows)
    (folder / "names.json").write_text(json.dumps(models.NAMES))
    reference = data.training[:_REFERENCE]
    published = publish_model(
        trained,
        to=str(folder / "published"),
        model=NAME,
        version=VERSION,
        features=[Feature(name=one, type="number") for one in models.NAMES],
        golden=_named(rows[:_GOLDEN]),
        thresholds=chosen,
        reference=_named(reference),
        created_at=_START,
    )
    return Material(
        name=name,
        folder=folder,
        nodes=load(folder / "published" / VERSION / "model.fdm").header.nodes,
        thresholds=chosen,
        digest=published.digest,
        transactions=[_transaction(i, row) for i, row in enumerate(_named(rows))],
        expected=expected,
    )


def _named(rows: models.Floats) -> list[dict[str, float]]:
    return [dict(zip(models.NAMES, row, strict=True)) for row in rows.tolist()]


def _transaction(number: int, features: Mapping[str, float]) -> dict[str, Any]:
    time = _START + timedelta(seconds=7 * number)
    return {
        "transaction_id": f"tx-{number:08}",
        "event_time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "entities": {"customer": f"c-{number * 31 % 5000}", "terminal": f"t-{number * 17 % 9973}"},
        "amount_minor": round(features["amount"] * 100),
        "currency": "EUR",
        "features": dict(features),
    }
