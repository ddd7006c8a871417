"""model.joblib to a folder that mlflow serves: python save_mlflow.py FOLDER."""

import sys
from pathlib import Path

import joblib
import mlflow

folder = Path(sys.argv[1])
mlflow.sklearn.save_model(
    joblib.load(folder / "model.joblib"),
    folder / "mlflow",
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
    pip_requirements=[],
)
