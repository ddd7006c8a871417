"""Runs in an environment of its own (requirements.txt): shap's contributions for pickled models.

    python contributions.py JOB.pkl OUT.json

JOB is a list of (model, reference rows, rows). OUT has for each "exact" (shap's Exact explainer,
which counts coalitions, or its LinearExplainer) and "trees" (TreeExplainer, which computes partly
in float32), as contributions by row.
"""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import shap


def explained(model):
    """What the contributions add up to: the decision value of boosting, else the probability."""
    if hasattr(model, "decision_function"):
        return model.decision_function
    return lambda rows: model.predict_proba(rows)[:, 1]


def exact(model, reference, rows):
    masker = shap.maskers.Independent(reference, max_samples=len(reference))
    if hasattr(model, "coef_"):
        return shap.LinearExplainer(model, masker).shap_values(rows)
    return shap.explainers.Exact(explained(model), masker)(rows, silent=True).values


def trees(model, reference, rows):
    explainer = shap.TreeExplainer(
        model, data=reference, feature_perturbation="interventional", model_output="raw"
    )
    values = np.asarray(explainer.shap_values(rows, check_additivity=False))
    return values[:, :, 1] if values.ndim == 3 else values


def both(model, reference, rows):
    made = {"exact": np.asarray(exact(model, reference, rows)).tolist()}
    if not hasattr(model, "coef_"):
        made["trees"] = np.asarray(trees(model, reference, rows)).tolist()
    return made


if __name__ == "__main__":
    job = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301  made by the test
    Path(sys.argv[2]).write_text(json.dumps([both(*one) for one in job]))
