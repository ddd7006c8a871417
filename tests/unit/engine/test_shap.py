"""Contributions against the shap package: to 1e-9 against its Exact and Linear explainers, and to
1e-6 against its TreeExplainer, which computes partly in float32. Rows whose contributions by
TreeExplainer do not even add up are counted and left out: there shap is wrong.

shap and its compiler are large, so they live in an environment of their own, made once from
shap_oracle/requirements.txt and kept in the cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from fraud_scorer.compile import compile_model
from fraud_scorer.compile.rows import typical
from fraud_scorer.engine import Model, load
from tests.unit.engine.catalogue import table

HERE = Path(__file__).parent / "shap_oracle"
REQUIREMENTS = HERE / "requirements.txt"
ROWS = 300

MODELS = [
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(30, random_state=0),
    RandomForestClassifier(100, max_depth=12, random_state=1),
    ExtraTreesClassifier(20, random_state=0),
    GradientBoostingClassifier(n_estimators=40, random_state=0),
    HistGradientBoostingClassifier(max_iter=40, random_state=0),
    LogisticRegression(max_iter=2000),
]


def environment() -> Path:
    """The Python that has shap."""
    cache = Path(os.environ.get("FRAUDOPS_CACHE", Path.home() / ".cache" / "fraudops"))
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = cache / "environments" / f"shap-{digest}"
    python = home / "bin" / "python"
    if not (home / "done").exists():
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, home], check=True)
        install = [uv, "pip", "install", "-q", "--python", python, "-r", REQUIREMENTS]
        subprocess.run(install, check=True)
        (home / "done").touch()
    return python


def contributions(model: Model, row: list[float]) -> list[float]:
    found = dict(model.explain(row, 100))
    return [found.get(one.name, 0.0) for one in model.inputs]


@pytest.mark.long
def test_shap_says_the_same(tmp_path: Path) -> None:
    train, fresh = table("numbers", 3000, 5), table("numbers", ROWS, 6)
    single = train.frame.astype(np.float32).astype(float)  # shap rounds rows to float32 throughout
    rows = fresh.frame.astype(np.float32).astype(float)
    row = np.array([typical(single.tolist(), train.specs)], dtype=float)
    jobs: list[Any] = []
    for model in MODELS:
        model.fit(single, train.y)
        jobs.append((model, single if hasattr(model, "coef_") else row, rows))
    (tmp_path / "job").write_bytes(pickle.dumps(jobs))
    script = HERE / "contributions.py"
    subprocess.run([environment(), script, tmp_path / "job", tmp_path / "out"], check=True)
    for (model, _, _), by_shap in zip(
        jobs, json.loads((tmp_path / "out").read_text()), strict=True
    ):
        ours = load(compile_model(model, train.specs, reference=single, reference_row=row[0]))
        found = np.array([contributions(ours, one) for one in rows.tolist()])
        off = np.abs(found - np.array(by_shap["exact"]))
        said = (
            f"{type(model).__name__}: {found.size} contributions, worst difference {off.max():.1e}"
        )
        assert off.max() <= 1e-9
        if "trees" in by_shap:
            trees = np.array(by_shap["trees"])
            adds_up = np.abs(trees.sum(axis=1) - found.sum(axis=1)) < 1e-6
            assert adds_up.mean() > 0.98
            off = np.abs(found - trees)[adds_up]
            said += f"; TreeExplainer {off.max():.1e}, wrong by itself in {(~adds_up).sum()} rows"
            assert off.max() <= 1e-6
        print(said)
