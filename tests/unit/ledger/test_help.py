"""The commands about records say what they do to whoever asks them, without Postgres."""

from __future__ import annotations

import pytest

from fraud_scorer.cli.main import main


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("migrate", ["--entity", "superuser", "--login-password"]),
        ("ship", ["--spool", "SIGTERM", "--retention", "--spill-after", "default: 30"]),
        ("labels import", ["transaction_id,label,event_time,observed_at,source", "JSON", "CSV"]),
        ("attributes import", ["entity_kind,entity_id,name,value,observed_at", "cacheTTL"]),
        ("audit verify", ["--archive", "--public-key", "--no-postgres", "--json"]),
        ("audit retain", ["--hot", "--storage", "default: 90d"]),
        ("audit show", ["--around", "--archive"]),
        ("erase", ["customer=c-17", "audit verify", "backups", "--subject"]),
    ],
)
def test_help_stands_alone(
    command: str, says: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert [one for one in [*says, "--postgres"] if one not in text] == []
