"""The data file: whose it is, what cannot be used, and what is lost when it takes no more."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from fraud_scorer.embedded.data import DataFile
from fraud_scorer.features.events import Transaction
from tests.support.histories import EVERYTHING, START
from tests.unit.embedded.support import entry, service


def bought(number: int) -> Transaction:
    return Transaction(f"t-{number}", START + number, {"customer": "c"}, 100, "EUR")


def close(data: DataFile) -> None:
    asyncio.run(data.aclose())


def test_a_file_has_one_user(tmp_path: Path) -> None:
    first = DataFile(tmp_path / "data")
    with pytest.raises(OSError, match="another service uses this file"):
        DataFile(tmp_path / "data")
    (tmp_path / "other name").symlink_to("data")
    with pytest.raises(OSError, match="another service uses this file"):
        DataFile(tmp_path / "other name")
    close(first)
    close(DataFile(tmp_path / "data"))


def test_a_file_keeps_its_id(tmp_path: Path) -> None:
    first = DataFile(tmp_path / "data")
    close(first)
    again = DataFile(tmp_path / "data")
    close(again)
    assert again.id == first.id


def test_nobody_else_reads_what_is_about_people(tmp_path: Path) -> None:
    data = DataFile(tmp_path / "data")
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("data*")}
    close(data)
    del modes["data-lock"]
    assert set(modes) == {"data", "data-wal", "data-shm"}
    assert set(modes.values()) == {0}


def test_what_is_no_data_file_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("something that somebody needs, and no database" * 100)
    with pytest.raises(OSError, match="not a database: give --data another FILE"):
        DataFile(text)
    assert text.read_text().startswith("something that somebody needs")

    foreign = tmp_path / "foreign"
    with sqlite3.connect(foreign) as theirs:
        theirs.execute("CREATE TABLE theirs (a)")
    with pytest.raises(OSError, match="no data file of this release"):
        DataFile(foreign)

    later = tmp_path / "later"
    close(DataFile(later))
    with sqlite3.connect(later) as ours:
        ours.execute("PRAGMA user_version = 99")
    with pytest.raises(OSError, match="no data file of this release"):
        DataFile(later)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        DataFile(tmp_path / "nowhere" / "data")


def test_nothing_is_acknowledged_that_is_not_in_the_file(tmp_path: Path) -> None:
    """A disk that is full, as SQLite has it: the file may not grow."""

    async def use() -> int:
        async with service(tmp_path / "data", EVERYTHING) as one:
            (pages,) = await one.data.ask(
                lambda connection: connection.execute("PRAGMA page_count").fetchone()
            )
            await one.data.ask(
                lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 2}")
            )
            written = 0

            async def fill() -> None:
                nonlocal written
                while True:
                    await one.answer(bought(written))
                    written += 1

            with pytest.raises(OSError, match="full"):
                await fill()
            assert "full" in one.records.blocked
            await one.data.ask(
                lambda connection: connection.execute("PRAGMA max_page_count = 10000")
            )
            await one.answer(bought(written))
            assert one.records.blocked == ""
            return written + 1

    written = asyncio.run(use())
    with sqlite3.connect(tmp_path / "data") as file:
        assert file.execute("SELECT count(*) FROM answers").fetchone() == (written,)


def test_who_asks_sees_all_that_was_written_before(tmp_path: Path) -> None:
    async def use() -> None:
        async with service(tmp_path / "data", EVERYTHING) as one:
            receipts = [one.records.record(*entry(bought(number))) for number in range(50)]
            (count,) = await one.data.ask(
                lambda connection: connection.execute("SELECT count(*) FROM answers").fetchone()
            )
            assert count == 50
            for receipt in receipts:
                assert receipt.wait is not None
                await receipt.wait

    asyncio.run(use())
