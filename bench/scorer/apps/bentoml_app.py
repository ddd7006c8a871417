"""BentoML with one worker: `bentoml serve bentoml_app:Score`, with FOLDER in the environment."""

import json
import os
from pathlib import Path
from typing import Any

import bentoml
import joblib
import numpy as np

FOLDER = Path(os.environ["FOLDER"])


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Score:
    """One route without batching, one with."""

    def __init__(self) -> None:
        self.model = joblib.load(FOLDER / "model.joblib")
        self.names = json.loads((FOLDER / "names.json").read_text())

    @bentoml.api
    async def one(self, features: dict[str, float]) -> dict[str, float]:
        row = np.array([[features[name] for name in self.names]])
        return {"score": float(self.model.predict_proba(row)[0, 1])}

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    async def many(self, rows: list[dict[str, float]]) -> list[float]:
        matrix = np.array([[row[name] for name in self.names] for row in rows])
        scores: Any = self.model.predict_proba(matrix)[:, 1]
        return [float(score) for score in scores]
