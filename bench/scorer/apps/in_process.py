"""Another engine without a server: python in_process.py FOLDER onnxruntime|treelite SECONDS.

Prints {"one": microseconds for a row, "batch_row": microseconds for a row in a batch of 256,
"scores": its scores of the rows in rows.npy}.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

BATCH = 256
Score = Callable[[NDArray[Any]], NDArray[Any]]


def onnxruntime(folder: Path) -> tuple[Score, type]:
    """As convert_onnx.py left it; one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    wanted, given = [session.get_outputs()[1].name], session.get_inputs()[0].name
    return lambda rows: session.run(wanted, {given: rows})[0][:, 1], np.float32


def treelite(folder: Path) -> tuple[Score, type]:
    """As convert_treelite.py left it; one thread."""
    import tl2cgen
    from treelite import sklearn

    model = sklearn.import_model(joblib.load(folder / "model.joblib"))
    predictor = tl2cgen.Predictor(folder / "treelite.so", nthread=1)

    def score(rows: NDArray[Any]) -> NDArray[Any]:
        both: NDArray[Any] = predictor.predict(tl2cgen.DMatrix(rows, dtype=kind.__name__))
        return both.reshape(len(rows), -1)[:, -1]

    kind = np.float64 if str(model.input_type) == "float64" else np.float32
    return score, kind


def best(score: Score, batches: list[NDArray[Any]], seconds: float) -> float:
    """The shortest time of one round over the batches, in seconds a batch."""
    shortest, ends = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < ends:
        start = time.perf_counter()
        for batch in batches:
            score(batch)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest / len(batches)


def main() -> None:
    """Measure and print."""
    folder, engine, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    score, kind = {"onnxruntime": onnxruntime, "treelite": treelite}[engine](folder)
    rows = np.load(folder / "rows.npy").astype(kind)
    singles = [rows[i : i + 1].copy() for i in range(200)]
    batches = [rows[i : i + BATCH].copy() for i in range(0, 4 * BATCH, BATCH)]
    figures = {
        "one": best(score, singles, seconds) * 1e6,
        "batch_row": best(score, batches, seconds) / BATCH * 1e6,
        "scores": np.asarray(score(rows[:200]), float).tolist(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
