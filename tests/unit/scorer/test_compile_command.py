"""`fraud-scorer compile`: a model file becomes a flat one, to be served, asked and measured."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import joblib
import pytest

from fraud_scorer.cli.main import main
from fraud_scorer.engine import load
from tests.unit.scorer.process import serving
from tests.unit.scorer.support import FEATURES, GOLDEN, classifier, transaction

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model, what describes it, and a transaction."""
    made = tmp_path_factory.mktemp("trained")
    joblib.dump(classifier(), made / "m.joblib")
    features = [{"name": f.name, "type": f.type, "nullable": f.nullable} for f in FEATURES]
    (made / "features.json").write_text(json.dumps(features))
    (made / "ordinary.jsonl").write_text("\n".join(map(json.dumps, GOLDEN)))
    return made


@pytest.fixture(scope="module")
def compiled(folder: Path) -> Path:
    """The model, compiled by the command."""
    arguments = [f"--features={folder / 'features.json'}"]
    arguments.append(f"--reference={folder / 'ordinary.jsonl'}")
    assert main(["compile", str(folder / "m.joblib"), *arguments]) == 0
    return folder / "m.fdm"


def test_it_scores_as_the_model_does(compiled: Path) -> None:
    theirs = classifier().predict_proba([[9.5, 3.0, "app", "gold"]])[0, 1]
    model = load(compiled)
    assert model.score_one(GOLDEN[0]) == theirs
    assert model.explains


def test_the_result_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = folder / "other.fdm"
    arguments = [f"--features={folder / 'features.json'}", "--json", "-o", str(output)]
    assert main(["compile", str(folder / "m.joblib"), *arguments]) == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert result["bytes"] == output.stat().st_size
    assert (result["exactness"], result["trees"], result["reasons"]) == ("exact", 10, False)
    assert "limits" in result["confinedBy"]
    assert "compiling" in shown.err


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (["--features=/nowhere.json"], 2, "/nowhere.json: No such file"),
        (["--reference={folder}/m.joblib"], 2, "m.joblib:1: "),
        (["--memory=100Mi"], 2, "--memory: the libraries alone take 512Mi"),
        (["-o", "/nowhere/m.fdm"], 2, "there is no folder /nowhere"),
    ],
)
def test_what_goes_wrong_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], changes: list[str], code: int, message: str
) -> None:
    arguments = [one.format(folder=folder) for one in changes]
    model, features = str(folder / "m.joblib"), f"--features={folder / 'features.json'}"
    assert main(["compile", model, features, *arguments]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("size", ["", "4G", "Gi", "-1Gi", "0"])
def test_a_size_that_is_none(capsys: pytest.CaptureFixture[str], size: str) -> None:
    with pytest.raises(SystemExit):
        main(["compile", "m.joblib", "--features=f.json", f"--memory={size}"])
    assert "is not like 512Mi or 4Gi" in capsys.readouterr().err


def test_a_compiled_file_is_served_on_a_laptop(compiled: Path) -> None:
    with serving(compiled, "--thresholds=review=0,decline=1", "--drain=0") as process:
        ready = process.logged("ready")
        assert ready["model"] == "m"
        answer = httpx.post(f"http://{ready['listen']}/v1/score", json=transaction(GOLDEN[1]))
        answer = answer.json()
        assert answer["score"] == load(compiled).score_one(GOLDEN[1])
        assert answer["decision"] == "review"
        assert answer["reasons"]
        assert answer["model"]["digest"] == ready["digest"]
        process.process.terminate()
        assert process.ended() == 0


def test_a_file_that_is_no_compiled_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(folder / "m.joblib")]) == 2
    assert "make one with `fraud-scorer compile`" in capsys.readouterr().err


def test_measuring_it(compiled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(compiled), "--seconds=0.05", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["trees"], result["inputs"]) == (10, 4)
    assert all(result["microseconds"][what] > 0 for what in ("one", "batch", "reasons", "pipeline"))
    assert result["server"]["answers"] >= 32
    assert result["server"]["failed"] == 0


def test_measuring_it_for_people(
    compiled: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = f"--rows={folder / 'ordinary.jsonl'}"
    assert main(["bench", str(compiled), "--seconds=0.05", "--no-server", rows]) == 0
    shown = capsys.readouterr().out
    assert "one of a batch of 256" in shown
    assert "server" not in shown
    (folder / "empty.jsonl").write_text("\n")
    assert main(["bench", str(compiled), f"--rows={folder / 'empty.jsonl'}"]) == 2
    assert "has no rows" in capsys.readouterr().err
