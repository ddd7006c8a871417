"""The demo's corner of the business: all of it happened before now or comes after, once."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.demo import business
from examples.demo.business import Corner, Files, corner
from examples.handbook.dataset import Dataset
from examples.handbook.features import DELAY
from examples.handbook.simulator import Parameters
from examples.handbook.split import split

PARAMETERS = Parameters(customers=150, terminals=200, radius=12, days=137)
NOW = datetime(2026, 11, 25, 17, 30, tzinfo=UTC)


@pytest.fixture
def part(small_dataset: Dataset) -> Corner:
    return corner(small_dataset, NOW, PARAMETERS)


@pytest.fixture
def files(part: Corner, tmp_path: Path) -> Files:
    return part.write(tmp_path, NOW)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def times(sent: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(one["event_time"]) for one in sent]


def test_now_is_between_history_and_what_comes(files: Files) -> None:
    history, upcoming = times(lines(files.history)), lines(files.upcoming)
    coming = times([one["transaction"] for one in upcoming])
    assert history == sorted(history)
    assert coming == sorted(coming)
    assert max(history) < NOW <= min(coming)
    assert min(coming) - max(history) < timedelta(hours=12)
    assert {one["fraud"] for one in upcoming} == {True, False}
    assert all(one["fraud"] == (one["scenario"] > 0) for one in upcoming)


def test_days_begin_where_they_did(part: Corner) -> None:
    assert part.later % timedelta(days=1) == timedelta()


def test_what_comes_has_its_whole_history(part: Corner) -> None:
    """Everything by a customer who comes, and all at a terminal, of the weeks before now."""
    data = part.data.transactions
    present = (NOW - part.later - data.start).total_seconds()
    weeks = (data.seconds < present) & (data.seconds >= present - 37 * 86_400)
    for column in (data.customer, data.terminal):
        theirs = np.flatnonzero(weeks & np.isin(column, column[part.upcoming]))
        assert np.isin(theirs, part.history).all()
    assert split(data).test[part.upcoming].all()


def test_labels_are_known_a_week_later_and_the_newest_come_now(files: Files) -> None:
    known, late = lines(files.known), lines(files.late)
    assert {one["label"] for one in known + late} == {"chargeback", "cleared"}
    for one, happened in zip(known, times(known), strict=True):
        assert datetime.fromisoformat(one["observed_at"]) == happened + timedelta(DELAY) <= NOW
    assert {one["observed_at"] for one in late} == {"2026-11-25T17:30:00Z"}
    newest = NOW - timedelta(DELAY)
    assert max(times(known)) <= newest - timedelta(business.LATE_DAYS) < min(times(late))
    assert max(times(late)) <= newest
    ids = [one["transaction_id"] for one in known + late]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= {one["transaction_id"] for one in lines(files.history)}


def test_only_what_a_request_knows_by_itself_is_sent(files: Files) -> None:
    for one in lines(files.history)[:5]:
        assert list(one["features"]) == ["amount", "weekend", "night"]


def test_the_fraud_that_late_labels_tell_of_is_to_come(
    small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business, "SIDE", 100.0)  # in a corner of so small a map there is none
    part = corner(small_dataset, NOW, PARAMETERS)
    files = part.write(tmp_path, NOW)
    fraud = part.newly_compromised(NOW)
    terminal = fraud["entities"]["terminal"]
    coming = [one for one in lines(files.upcoming) if one["transaction"] == fraud]
    assert [one["scenario"] for one in coming] == [2]
    at = {
        one["transaction_id"]
        for one in lines(files.history)
        if one["entities"]["terminal"] == terminal
    }
    known, late = (
        [one for one in lines(path) if one["transaction_id"] in at and one["label"] != "cleared"]
        for path in (files.known, files.late)
    )
    assert known == []
    assert late
