"""A period that a file says follows the file."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

import pytest

from fraud_scorer.cli import values

YEAR = timedelta(days=365)


def test_it_is_what_the_file_said_last(tmp_path: Path) -> None:
    file = tmp_path / "retention"
    file.write_text("7y\n")
    period = values.changing_days(str(file))
    assert period() == 7 * YEAR
    file.write_text("3650d")
    assert period() == 10 * YEAR
    for broken in ("", "soon"):
        file.write_text(broken)
        assert period() == 10 * YEAR
    file.unlink()
    assert period() == 10 * YEAR


@pytest.mark.parametrize("wrong", ["", "7", "y", "-7y", "0d", "7 y", "7w"])
def test_what_is_no_period_is_refused(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "retention").write_text(wrong)
    for text in (wrong, str(tmp_path / "retention")):
        with pytest.raises(argparse.ArgumentTypeError, match="is not like 90d or 7y"):
            values.changing_days(text)
