"""Labels: added once, never changed, from files and from callers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fraud_scorer.ledger import labels
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.files import WrongLine
from fraud_scorer.ledger.idempotency import Claim, claim, forget_old, settle
from fraud_scorer.ledger.labels import Added, Label, WrongLabel
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import Connection, count, recorded, ship

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HEADER = "transaction_id,label,event_time,observed_at,source\n"
LINE = "tx-1,chargeback,2026-01-05T10:00:00Z,2026-02-03T09:00:00+01:00,visa\n"


def label(number: int, **changes: object) -> Label:
    fields: dict[str, object] = {
        "transaction_id": f"tx-{number}",
        "label": "chargeback",
        "event_time": datetime(2026, 1, 5, 10, tzinfo=UTC),
        "observed_at": datetime(2026, 2, 3, 8, tzinfo=UTC),
        "source": "visa",
    }
    return Label(**(fields | changes))  # type: ignore[arg-type]


class TestAdding:
    """Into Postgres."""

    def test_it_is_there_once(self, spool: Spool, ledger: Database, connection: Connection) -> None:
        recorded(spool, range(3))
        ship(spool, ledger)
        sent = [label(number) for number in (1, 2, 77, 1)]
        assert labels.add(connection, sent, by="risk") == Added(new=3, known=1, unmatched=1)
        assert labels.add(connection, sent, by="risk") == Added(new=0, known=4, unmatched=0)
        assert count(connection, "labels") == 3

    def test_a_later_label_does_not_replace_an_earlier_one(self, connection: Connection) -> None:
        labels.add(connection, [label(1, label="confirmed", source="analyst")], by="a")
        labels.add(connection, [label(1, label="cleared", source="analyst")], by="b")
        rows = connection.execute("SELECT label, added_by FROM labels ORDER BY added_at").fetchall()
        assert rows == [("confirmed", "a"), ("cleared", "b")]

    def test_all_or_nothing(self, connection: Connection, tmp_path: Path) -> None:
        file = tmp_path / "labels.csv"
        file.write_text(HEADER + LINE * 3 + LINE.replace("chargeback", "fraud"))
        with pytest.raises(WrongLine, match=r"labels\.csv:5: .*fraud"):
            labels.add(connection, labels.read(file, NOW), by="risk")
        assert count(connection, "labels") == 0

    def test_odd_ids(self, connection: Connection) -> None:
        odd = "a\tb\\N\n\x00\u2028'\";--"
        labels.add(connection, [label(1, transaction_id=odd)], by=odd)
        rows = connection.execute("SELECT transaction_id FROM labels").fetchall()
        assert rows == [(odd.replace("\x00", "\ufffd"),)]

    def test_a_request_has_its_effect_once(self, connection: Connection) -> None:
        with connection.transaction():
            assert claim(connection, "labels", "k", b"1") == Claim("new")
            settle(connection, "labels", "k", "added")
        assert claim(connection, "labels", "k", b"1") == Claim("same", "added")
        assert claim(connection, "labels", "k", b"2") == Claim("other")
        assert claim(connection, "others", "k", b"2") == Claim("new")
        connection.execute("UPDATE idempotency_keys SET claimed_at = now() - interval '8 days'")
        assert forget_old(connection) == 2


class TestFiles:
    """What is taken from a file, and what is said of one that is wrong."""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.csv", HEADER + LINE),
            ("a.csv", "\ufeff" + HEADER.replace("\n", "\r\n") + LINE),
            (
                "a.jsonl",
                '{"transaction_id":"tx-1","label":"chargeback","event_time":"2026-01-05T10:00:00Z",'
                '"observed_at":"2026-02-03T08:00:00Z","source":"visa"}\n\n',
            ),
        ],
    )
    def test_it_is_read(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        assert list(labels.read(tmp_path / name, NOW)) == [label(1)]

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("a.csv", "id,label\n", "a.csv:1: the header is to name exactly transaction_id"),
            ("a.csv", "", "a.csv:1: the header"),
            ("a.csv", HEADER + "tx-1,chargeback\n", "a.csv:2: it has not as many fields"),
            ("a.csv", HEADER + LINE + "\n" + LINE.replace("Z", ""), "a.csv:4: .*timezone"),
            ("a.csv", HEADER + LINE.replace("2026-02-03", "2025-02-03"), "before event_time"),
            ("a.csv", HEADER + LINE.replace("2026-02-03", "2036-02-03"), "lies in the future"),
            ("a.csv", HEADER + LINE.replace("tx-1", "x" * 129), "a.csv:2: .*<= 128"),
            ("a.jsonl", "{}\n", "a.jsonl:1: .*transaction_id"),
            ("a.jsonl", "\nnonsense\n", "a.jsonl:2: "),
        ],
    )
    def test_it_says_where_and_what(
        self, tmp_path: Path, name: str, text: str, message: str
    ) -> None:
        (tmp_path / name).write_text(text)
        with pytest.raises(WrongLine, match=message):
            list(labels.read(tmp_path / name, NOW))


def test_a_label_of_now_is_taken() -> None:
    labels.check(label(1, observed_at=NOW), NOW)
    with pytest.raises(WrongLabel):
        labels.check(label(1, observed_at=NOW + timedelta(seconds=1)), NOW)
