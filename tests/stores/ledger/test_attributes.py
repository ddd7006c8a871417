"""What is told of entities: kept once, for the features that look it up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fraud_scorer.cli.main import main
from fraud_scorer.features.layout import layout
from fraud_scorer.features.postgres import Names, PostgresHistory
from fraud_scorer.ledger import attributes
from fraud_scorer.ledger.attributes import Attribute
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.entries import Acted, decode
from fraud_scorer.ledger.files import WrongLine
from tests.support.histories import EVERYTHING
from tests.support.ledger import Connection, count

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HEADER = "entity_kind,entity_id,name,value,observed_at\n"
FILE = (
    HEADER
    + "customer,c-1,segment,gold,2026-01-05T10:00:00Z\n"
    + "customer,c-1,limit,2500.5,2026-01-05T10:00:00Z\n"
    + "customer,c-1,limit,3000,2026-01-06T10:00:00Z\n"
)
Output = pytest.CaptureFixture[str]


def test_a_file_is_there_once_and_features_look_it_up(
    dsn: str, connection: Connection, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "told.csv").write_text(FILE)
    given = ["attributes", "import", str(tmp_path / "told.csv"), f"--postgres={dsn}", "--by=crm"]
    assert main(given) == 0
    assert "told.csv: 3 new, 0 known already" in capsys.readouterr().out
    assert main(given) == 0
    assert "told.csv: 0 new, 3 known already" in capsys.readouterr().out
    assert count(connection, "entity_attributes") == 3
    rows = connection.execute("SELECT body FROM audit WHERE kind = 'acted'").fetchall()
    acted = [one for (body,) in rows if isinstance(one := decode(body), Acted)]
    assert {(one.action, one.principal) for one in acted} == {("attributes", "crm")}


async def test_a_look_up_sees_what_was_observed_by_then(
    ledger: Database, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "told.csv").write_text(FILE)
    attributes.add(connection, attributes.read(tmp_path / "told.csv", NOW), by="a")
    history = PostgresHistory(ledger.conninfo, names=Names(entities={"customer": "user_id"}))
    kind = next(one for one in layout(EVERYTHING).kinds if one.kind == "customer")
    (table,) = (at for at, one in enumerate(kind.tables) if one.shape == "attributes")
    found = []
    for day in (4, 5, 6):
        now = int(datetime(2026, 1, day, 12, tzinfo=UTC).timestamp() * 1e6)
        read = await history.read(kind, "c-1", time=now, now=now, excluding=())
        told = dict(zip(kind.tables[table].names, read.tables[table], strict=True))
        found.append((told["segment"], told["limit"]))
    await history.aclose()
    assert found[1:] == [("gold", 2500.5), ("gold", 3000)]
    assert found[0] not in found[1:]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "kind,id\n", "the header is to name exactly entity_kind"),
        ("a.csv", FILE.replace("c-1", ""), "a.csv:2: .*entity_id"),
        ("a.csv", FILE.replace("2026-01-06", "2036-01-06"), "a.csv:4: .*lies in the future"),
        ("a.jsonl", '{"entity_kind": "customer"}', "a.jsonl:1: "),
    ],
)
def test_it_says_where_and_what(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(WrongLine, match=message):
        list(attributes.read(tmp_path / name, NOW))


def test_odd_texts_are_kept(connection: Connection) -> None:
    odd = "a\tb\\N\n\x00\"'"
    one = Attribute(
        entity_kind="card", entity_id=odd, name=odd, value=odd, observed_at=NOW
    )  # fmt: skip
    attributes.add(connection, [one, one], by=odd)
    rows = connection.execute("SELECT entity_id, name, value FROM entity_attributes")
    assert rows.fetchall() == [(odd.replace("\x00", "\ufffd"),) * 3]
