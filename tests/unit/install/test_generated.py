"""What is generated is what the repository holds, and the commands write it."""

from pathlib import Path

import pytest
import yaml

from fraud_operator.cli.main import main
from fraud_operator.install.generated import files, outdated

ROOT = Path(__file__).parents[3]


def test_the_repository_is_up_to_date():
    assert outdated(ROOT) == [], "run `make generate`"


def test_the_chart_has_no_template_that_nobody_makes():
    there = {str(p.relative_to(ROOT)) for p in (ROOT / "charts/fraudops/templates").iterdir()}
    assert there == {path for path in files() if "/templates/" in path}


def test_generate_writes_what_differs_and_check_finds_it(tmp_path, capsys):
    (tmp_path / "pyproject.toml").touch()
    root = f"--root={tmp_path}"
    assert main(["generate", "--check", root]) == 1
    assert "crds/frauddetectors.fraudops.io.yaml is not up to date" in capsys.readouterr().err
    assert main(["generate", root]) == 0
    assert main(["generate", "--check", root]) == 0
    capsys.readouterr()
    assert main(["generate", root]) == 0
    assert capsys.readouterr().out == ""


def test_generate_elsewhere_says_what_to_do(tmp_path, capsys):
    assert main(["generate", f"--root={tmp_path}"]) == 1
    assert "give --root" in capsys.readouterr().err


def test_crds_go_to_a_folder_or_to_standard_output(tmp_path, capsys):
    assert main(["crds"]) == 0
    printed = capsys.readouterr().out
    assert main(["crds", "--output", str(tmp_path)]) == 0
    assert (tmp_path / "frauddetectors.fraudops.io.yaml").read_text() == printed
    assert yaml.safe_load(printed)["kind"] == "CustomResourceDefinition"


def test_run_without_an_image_says_how_to_give_one(capsys, monkeypatch):
    monkeypatch.delenv("FRAUD_OPERATOR_SCORER_IMAGE", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["run"])
    assert stopped.value.code == 2
    assert "--scorer-image" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["crds", "--output", str(tmp_path / "file" / "crds")]) == 1
    assert (
        f"cannot write to {tmp_path / 'file' / 'crds'}: Not a directory" in capsys.readouterr().err
    )
