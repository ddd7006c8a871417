"""LitServe with one worker: python litserve_app.py FOLDER PORT BATCH (1: without batching)."""

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import litserve as ls
import numpy as np

FOLDER, PORT, BATCH = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


class Score(ls.LitAPI):
    """A row in, a probability out."""

    def setup(self, device: str) -> None:
        self.model = joblib.load(FOLDER / "model.joblib")
        self.names = json.loads((FOLDER / "names.json").read_text())

    def decode_request(self, request: dict[str, Any]) -> list[float]:
        return [request["features"][name] for name in self.names]

    def batch(self, inputs: list[list[float]]) -> Any:
        return np.array(inputs)

    def unbatch(self, output: Any) -> list[float]:
        return list(output)

    def predict(self, x: Any) -> Any:
        scores = self.model.predict_proba(x if BATCH > 1 else np.array([x]))[:, 1]
        return scores if BATCH > 1 else scores[0]

    def encode_response(self, output: float) -> dict[str, float]:
        return {"score": float(output)}


if __name__ == "__main__":
    options = {"max_batch_size": BATCH, "batch_timeout": 0.005} if BATCH > 1 else {}
    server = ls.LitServer(Score(**options), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=PORT,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
