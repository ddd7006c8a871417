"""A process that serves has nothing loaded of what models are trained with."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.unit.scorer.process import serving
from tests.unit.scorer.support import GOLDEN, publish_to, transaction

pytestmark = pytest.mark.slow

TRAINING = ("numpy", "scipy", "sklearn", "joblib", "pandas", "xgboost", "lightgbm")


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which importing any of these fails."""
    for name in TRAINING:
        module = tmp_path / "path" / name / "__init__.py"
        module.parent.mkdir(parents=True)
        module.write_text(f"raise SystemExit('{name} was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))


@pytest.mark.usefixtures("without")
def test_scores_and_reasons_without_what_trained_the_model(tmp_path: Path) -> None:
    published = publish_to(tmp_path / "store", reference=GOLDEN)
    with serving(tmp_path / "store/v1", "--thresholds=review=0,decline=1") as process:
        base = f"http://{process.logged('ready')['listen']}"
        answer = httpx.post(f"{base}/v1/score", json=transaction(GOLDEN[1])).json()
        assert answer["score"] == published.manifest.golden[1].score
        assert answer["decision"] == "review"
        assert answer["reasons"]
        (serves,) = process.children()
        maps = Path(f"/proc/{serves}/maps").read_text()
    mapped = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "/" in line}
    assert any("_walk" in path for path in mapped)
    libraries = [path for path in mapped if path.endswith(".so") or ".so." in path]
    for name in (*TRAINING, "libgomp", "openblas"):
        assert not [path for path in libraries if name in path], name


@pytest.mark.usefixtures("without")
def test_the_model_is_mapped_and_its_file_is_gone(tmp_path: Path) -> None:
    publish_to(tmp_path / "store")
    work = tmp_path / "work"
    work.mkdir()
    with serving(tmp_path / "store/v1", f"--work-dir={work}") as process:
        process.logged("ready")
        (serves,) = process.children()
        maps = Path(f"/proc/{serves}/maps").read_text()
        assert any(str(work) in line and "(deleted)" in line for line in maps.splitlines())
        assert list(work.iterdir()) == []
