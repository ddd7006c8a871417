"""`fraud-scorer publish` says what is wrong with its input, in which file and line."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import pytest

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.cli.main import main
from tests.unit.scorer.support import linear

ROWS = '{"a": 1, "b": 2}\n\n{"a": 0.5, "b": -1}\n'


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    joblib.dump(linear(), tmp_path / "m.joblib")
    features = [{"name": "a", "type": "number"}, {"name": "b", "type": "number"}]
    (tmp_path / "features.json").write_text(json.dumps(features))
    (tmp_path / "golden.jsonl").write_text(ROWS)
    (tmp_path / "metrics.json").write_text('{"auc": 0.87}')
    (tmp_path / "labels.json").write_text('["fraud", null]')
    (tmp_path / "reasons.json").write_text('{"a": "Too much of a"}')
    return [
        "publish",
        str(tmp_path / "m.joblib"),
        f"--to={tmp_path / 'store'}",
        "--model=cards",
        "--version=v1",
        f"--features={tmp_path / 'features.json'}",
        f"--golden={tmp_path / 'golden.jsonl'}",
        f"--golden-labels={tmp_path / 'labels.json'}",
        f"--reference={tmp_path / 'golden.jsonl'}",
        f"--metrics={tmp_path / 'metrics.json'}",
        f"--reasons={tmp_path / 'reasons.json'}",
        "--thresholds=decline=0.9,review=0.5",
        "--created-at=2026-01-31T12:00:00Z",
    ]


def test_every_option_reaches_the_manifest(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    manifest = manifests.decode((tmp_path / "store/v1/manifest.json").read_bytes())
    assert manifest.digest in capsys.readouterr().out
    assert (manifest.model, manifest.version) == ("cards", "v1")
    assert manifest.created_at.isoformat() == "2026-01-31T12:00:00+00:00"
    assert [golden.label for golden in manifest.golden] == ["fraud", None]
    assert manifest.metrics == {"auc": 0.87}
    assert manifest.reasons == {"a": "Too much of a"}
    assert manifest.thresholds is not None
    assert manifest.thresholds.decline == "0.9"
    assert manifest.reference is not None
    assert [golden.features for golden in manifest.golden] == [
        {"a": 1.0, "b": 2.0},
        {"a": 0.5, "b": -1.0},
    ]


def test_a_version_that_is_taken(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["version"], result["exactness"], result["reasons"]) == ("v1", "bounded", True)
    assert result["worstDifference"] < 1e-12
    assert main(arguments) == 1
    assert "choose another version" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "code", "message"),
    [
        ("features.json", "[", 2, "features.json: "),
        ("features.json", '[{"name": "a", "type": "text"}]', 2, "features.json: "),
        ("golden.jsonl", ROWS + "[1]", 2, "golden.jsonl:4: Expected `object`, got `array`"),
        ("golden.jsonl", ROWS + '{"a": 1}', 1, "golden[2]: 'b' is missing"),
        ("golden.jsonl", "", 1, "give 1 to 100"),
        ("metrics.json", '{"auc": "high"}', 2, "metrics.json: "),
        ("reasons.json", "[]", 2, "reasons.json: "),
        ("reasons.json", '{"c": "what c?"}', 1, "$.reasons.c"),
        ("labels.json", '["maybe", null]', 2, "labels.json: "),
        ("labels.json", '["fraud"]', 1, "1 labels for 2 golden transactions"),
        ("m.joblib", "no model", 1, "the file cannot be loaded"),
    ],
)
def test_wrong_input(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: str,
    code: int,
    message: str,
) -> None:
    (tmp_path / file).write_text(content)
    assert main(arguments) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("file", ["features.json", "golden.jsonl", "m.joblib"])
def test_a_missing_file(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    (tmp_path / file).unlink()
    assert main(arguments) in (1, 2)
    assert f"{file}: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--to=ftp://bucket/", "give s3://bucket/prefix/ or gs://bucket/prefix/"),
        ("--version=v/1", "is not a version"),
        ("--store-credentials=/nowhere", "is a folder, which takes no --store-credentials"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], capsys: pytest.CaptureFixture[str], argument: str, message: str
) -> None:
    assert main([*arguments, argument]) == 1
    assert message in capsys.readouterr().err


def test_credentials_that_are_not_there(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["--to=s3://bucket/", "--store-credentials=/nowhere"]
    assert main([*arguments, *wrong]) == 1
    assert "--store-credentials /nowhere is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("time", ["yesterday", "2026-01-31T12:00:00"])
def test_a_time_without_offset(
    arguments: list[str], capsys: pytest.CaptureFixture[str], time: str
) -> None:
    with pytest.raises(SystemExit):
        main([*arguments, f"--created-at={time}"])
    assert "is not like 2026-01-31T12:00:00Z" in capsys.readouterr().err
