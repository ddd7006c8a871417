"""Labels and look-ups of a running service, and of one that looks for what Postgres has no more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from .test_whole_path import Rows, recorded, scorer, until


def test_what_was_answered_and_what_it_turned_out_to_be(
    version: Path, redis_secret: Path, postgres_secret: Path, tmp_path: Path, connection: Rows,
    archive_options: list[str],
) -> None:  # fmt: skip
    given = [
        f"--redis={redis_secret}", f"--postgres={postgres_secret}",
        f"--records={tmp_path / 'spool'}", *archive_options,
    ]  # fmt: skip
    now = datetime.now(UTC).isoformat()
    label = {
        "transaction_id": "t-1", "label": "confirmed", "event_time": now, "observed_at": now,
        "source": "analyst",
    }  # fmt: skip
    path, around = "/v1/transactions/t-1", {"around": now}
    with scorer(version, *given) as running:
        answer = running.score(1).json()
        until(lambda: recorded(connection) == 2)
        added = running.client.post("/v1/labels", json=label)
        assert added.json() == {"new": 1, "known": 0, "unmatched": 0}
        known = running.client.get(path).json()
        (entry,) = (one["entry"] for one in known["answers"])
        assert entry["prediction_id"] == answer["prediction_id"]
        assert entry["predictions"][0]["score"] == answer["score"]
        assert [one["label"] for one in known["labels"]] == ["confirmed"]
        assert running.stop() == 0
    for table in ("audit", "transactions", "predictions"):
        connection.execute(f"TRUNCATE {table}".encode())
    with scorer(version, *given) as running:
        assert running.client.get(path).json()["answers"] == []
        assert running.client.get(path, params=around).json() == known
        assert "/v1/labels" in running.client.get("/openapi.json").json()["paths"]
