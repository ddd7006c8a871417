"""A server as a team writes it by hand: python fastapi_app.py FOLDER PORT sklearn|onnxruntime."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Transaction(BaseModel):
    """The same envelope as the scorer's."""

    transaction_id: str
    event_time: datetime
    entities: dict[str, str]
    amount_minor: int
    currency: str
    features: dict[str, float]


def scikit_learn(folder: Path) -> Callable[[list[float]], float]:
    """The model as it was trained."""
    import joblib

    model = joblib.load(folder / "model.joblib")
    return lambda row: float(model.predict_proba(np.array([row]))[0, 1])


def onnxruntime(folder: Path) -> Callable[[list[float]], float]:
    """The model as convert_onnx.py left it."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    wanted = [session.get_outputs()[1].name]
    given = session.get_inputs()[0].name
    return lambda row: float(session.run(wanted, {given: np.array([row], np.float32)})[0][0, 1])


def application(folder: Path, score: Callable[[list[float]], float]) -> FastAPI:
    """One route. It does not wait for anything, so `async` is the faster way."""
    app = FastAPI()
    names = json.loads((folder / "names.json").read_text())

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/score")
    async def answer(transaction: Transaction) -> dict[str, str | float]:
        probability = score([transaction.features[name] for name in names])
        decision = "decline" if probability >= 0.9 else "approve"
        return {"score": probability, "decision": decision}

    return app


if __name__ == "__main__":
    where, runtime = Path(sys.argv[1]), sys.argv[3]
    loaded = (scikit_learn if runtime == "sklearn" else onnxruntime)(where)
    uvicorn.run(
        application(where, loaded),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
