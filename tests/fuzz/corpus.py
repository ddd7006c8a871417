"""Makes the seed corpus of the loader's fuzzer: small models with every operation of the format.

`python -m tests.fuzz.corpus` rewrites tests/fuzz/corpus/. Inputs that once broke something are kept
there as found-*.fdm and are not touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fraud_scorer.compile import Refused, compile_model
from tests.unit.engine.case import logistic
from tests.unit.engine.catalogue import BY_NAME, table

FOLDER = Path(__file__).parent / "corpus"
NAMES = [
    "tree-stump",
    "hist-categories",
    "logistic",
    "sgd-huber",
    "isotonic-forest",
    "temperature-forest",
    "isolation",
    "imputer-indicator",
    "bins-ordinal",
    "polynomial-2",
    "onehot-error",
    "min-max",
    "voting-weights",
]


def shrunk(model: Any) -> Any:
    """The same kind of model with few and small trees: a seed should be a few kilobytes."""
    sizes = {
        "n_estimators": 3,
        "max_iter": 3,
        "max_depth": 3,
        "max_leaf_nodes": 6,
        "max_samples": 16,
    }
    for name in model.get_params(deep=True):
        short = name.rpartition("__")[2]
        owner = model.get_params()[name.rpartition("__")[0]] if "__" in name else model
        if short in sizes and not (short == "max_iter" and not hasattr(owner, "max_bins")):
            model.set_params(**{name: sizes[short]})
    return model


def seeds() -> dict[str, bytes]:
    """File names and contents."""
    made = {}
    for name in NAMES:
        case = BY_NAME[name]
        train = table(case.kind, 300, 1)
        model = shrunk(case.make(0))
        model.fit(train.frame, train.y)
        try:
            made[name] = compile_model(model, train.specs, reference=train.frame)
        except Refused:
            made[name] = compile_model(model, train.specs)
    made["functions"] = functions()
    return made


def functions() -> bytes:
    """The functions that no family of the catalogue needs."""
    train = table("numbers", 200, 1)
    frame = np.abs(train.frame)
    steps = [FunctionTransformer(f) for f in (np.sqrt, np.log1p, np.exp, np.abs, np.log1p)]
    model = make_pipeline(*steps, logistic()).fit(frame, train.y)
    return compile_model(model, train.specs, reference=frame)


def main() -> None:
    """Write the corpus."""
    FOLDER.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (FOLDER / f"{name}.fdm").write_bytes(data)
        print(f"{name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
