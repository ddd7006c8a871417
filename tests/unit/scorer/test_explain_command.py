"""`fraud-scorer explain`: contributions add up, and texts come from the manifest."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from fraud_scorer.cli.main import main
from tests.unit.scorer.support import GOLDEN, publish_to, transaction


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1 gives reasons, v2 gives none."""
    folder = tmp_path_factory.mktemp("store")
    publish_to(folder, "v1", reference=GOLDEN, reasons={"amount": "The amount is unusual"})
    publish_to(folder, "v2")
    (folder / "features.json").write_text(json.dumps(GOLDEN[1]))
    (folder / "request.json").write_text(json.dumps(transaction(GOLDEN[1])))
    return folder


def test_contributions_add_up(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(store / "v1"), str(store / "features.json"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    manifest = json.loads((store / "v1/manifest.json").read_text())
    assert result["score"] == manifest["golden"][1]["score"]
    total = sum(one["contribution"] for one in result["contributions"])
    assert result["explained"] == pytest.approx(result["reference"] + total, abs=1e-9)
    assert result["unit"] == "probability"
    largest = result["contributions"][0]
    assert (largest["feature"], largest["text"]) == ("amount", "The amount is unusual")


def test_a_whole_request_is_the_same(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for file in ("features.json", "request.json"):
        assert main(["explain", str(store / "v1"), str(store / file)]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "The amount is unusual" in shown[0]


def test_from_standard_input(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = io.TextIOWrapper(io.BytesIO(json.dumps(GOLDEN[0]).encode()))
    monkeypatch.setattr("sys.stdin", given)
    assert main(["explain", str(store / "v2"), "-", "--thresholds=review=0,decline=1"]) == 0
    shown = capsys.readouterr().out
    assert "review" in shown
    assert "without reference rows" in shown


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ('{"amount": -1, "age": 1, "channel": "app", "tier": "gold"}', 1, "must be at least 0"),
        ("{}", 1, "#/features/age is missing"),
        ("[]", 2, "Expected `object`"),
        ('{"amount": [1]}', 2, "Expected"),
    ],
)
def test_a_transaction_that_is_none(
    store: Path, capsys: pytest.CaptureFixture[str], content: str, code: int, message: str
) -> None:
    (store / "bad.json").write_text(content)
    assert main(["explain", str(store / "v1"), str(store / "bad.json")]) == code
    assert message in capsys.readouterr().err


def test_a_version_that_was_changed_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_to(tmp_path)
    (tmp_path / "tx.json").write_text(json.dumps(GOLDEN[0]))
    (tmp_path / "v1/model.fdm").write_bytes(b"something else")
    assert main(["explain", str(tmp_path / "v1"), str(tmp_path / "tx.json")]) == 1
    assert "DigestMismatch" in capsys.readouterr().err
