"""The commands, from an empty database to an audit that finds what was tampered with."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fraud_scorer.cli.main import main
from fraud_scorer.ledger import partitions
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.seals import Signer
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import Connection, recorded, ship
from tests.support.postgres import PostgresServer

Output = pytest.CaptureFixture[str]


@pytest.fixture
def keys(tmp_path: Path, key: Ed25519PrivateKey) -> tuple[Path, Path]:
    """The private and the public key, as openssl writes them."""
    private, public = tmp_path / "seal.key", tmp_path / "seal.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


@pytest.fixture
def audited(
    spool: Spool,
    ledger: Database,
    archive: Archive,
    signer: Signer,
    tmp_path: Path,
    keys: tuple[Path, Path],
) -> list[str]:
    """The options that name an archive with a hundred answers."""
    recorded(spool, range(100))
    ship(spool, ledger, archive, signer)
    return [f"--archive={tmp_path / 'archive'}", f"--public-key={keys[1]}"]


def test_migrate(database: str, postgres: PostgresServer, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    given = ["migrate", f"--postgres={database}", "--role-prefix=cmd"]
    assert main([*given, f"--login-password=cmd_scorer_a={tmp_path / 'password'}"]) == 0
    assert "applied: 0001_records.sql" in capsys.readouterr().out
    assert main(given) == 0
    assert capsys.readouterr().out == "up to date\n"
    name = database.split("dbname=")[1].split()[0]
    psycopg.connect(postgres.tcp_dsn(name, "cmd_scorer_a", "s3cret")).close()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--login-password=other={full}"], "there are: fraudops_scorer_a and fraudops_scorer_b"),
        (["--login-password=fraudops_scorer_a={file}"], "is empty"),
        (["--role-prefix=No!"], "is no prefix of roles"),
        (["--no-roles", "--login-password=fraudops_scorer_a={full}"], "because of --no-roles"),
    ],
)
def test_migrate_says_what_is_wrong(
    more: list[str], message: str, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").write_text("x")
    given = [one.format(file=tmp_path / "file", full=tmp_path / "full") for one in more]
    assert main(["migrate", "--postgres=host=/nonexistent", *given]) == 2
    assert message in capsys.readouterr().err


def test_a_mounted_secret_says_where(
    dsn: str, postgres: PostgresServer, tmp_path: Path, capsys: Output
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    given = ["audit", "history", "nobody", f"--postgres={secret}"]
    assert main(given) == 1
    assert "has neither a key uri nor a key host" in capsys.readouterr().err
    for name, text in {
        "host": str(postgres.folder), "port": str(postgres.port), "username": "postgres",
        "dbname": dsn.split("dbname=")[1].split()[0],
    }.items():  # fmt: skip
        (secret / name).write_text(text)
    assert main(given) == 0


def test_verify(dsn: str, audited: list[str], capsys: Output) -> None:
    given = ["audit", "verify", f"--postgres={dsn}", *audited]
    assert main(given) == 0
    assert capsys.readouterr().out == (
        "nothing is wrong: 102 entries of 1 chains in Postgres and 1 sealed segments (0 pending)\n"
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM predictions WHERE sequence = 7")
    assert main(given) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Removed: Postgres, predictions, chain ")
    assert first.endswith(" entry 7: a row is missing")
    assert last.startswith("1 things are wrong: ")
    assert main([*given, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["kind"] == "Removed"


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["audit", "verify", "--archive=x"], 2, "give both, or neither"),
        (["audit", "verify", "--no-postgres"], 2, "nothing to look at"),
        (["audit", "verify", "--postgres=host=/nonexistent"], 1, "Postgres cannot be used"),
        (["audit", "verify", "--archive=a", "--public-key={here}"], 1, "is no public key"),
        (["audit", "verify", "--archive=a://b", "--public-key={key}"], 1, "give s3://bucket"),
        (
            ["audit", "verify", "--archive=typo", "--public-key={key}", "--no-postgres"],
            1,
            "there is no folder",
        ),
        (["ship", "--spool=x", "--archive=y"], 2, "give both, or neither"),
        (["ship", "--spool=x", "--retention=7y"], 2, "says nothing without --archive"),
        (["ship", "--spool=x", "--archive=y", "--seal-key={here}"], 2, "is no private key"),
        (["erase", "customer=1", "--subject=card", "--postgres={dsn}"], 1, "card=ID"),
        (["labels", "import", "/nonexistent/a.csv", "--postgres={dsn}"], 1, "/nonexistent/a.csv"),
    ],
)
def test_what_is_wrong_is_said(
    given: list[str],
    code: int,
    message: str,
    dsn: str,
    capsys: Output,
    tmp_path: Path,
    keys: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([one.format(here=__file__, dsn=dsn, key=keys[1]) for one in given]) == code
    assert message in capsys.readouterr().err


def test_labels_look_ups_and_erasure(
    dsn: str, audited: list[str], tmp_path: Path, capsys: Output
) -> None:
    at = f"--postgres={dsn}"
    (tmp_path / "labels.csv").write_text(
        "transaction_id,label,event_time,observed_at,source\n"
        "tx-3,confirmed,2026-01-05T10:00:00Z,2026-01-09T10:00:00Z,analyst\n"
    )
    assert main(["labels", "import", str(tmp_path / "labels.csv"), at, "--by=risk"]) == 0
    assert "1 new, 0 known already; 0 of the new ones" in capsys.readouterr().out
    assert main(["audit", "show", "tx-3", at, "--by=ann"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert known["answers"][0]["personal"]["entities"]["customer"] == "c-3"
    assert known["labels"][0]["label"] == "confirmed"
    assert main(["audit", "history", "c-3", at, "--limit=2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["erase", "customer=c-3", at, "--by=dpo"]) == 0
    assert "the key to the archive is deleted" in capsys.readouterr().out
    now = datetime.now(UTC).isoformat()
    assert main(["audit", "show", "tx-3", at, f"--around={now}", *audited]) == 0
    assert "personal" not in json.loads(capsys.readouterr().out)["answers"][0]
    assert main(["audit", "show", "tx-none", at]) == 1
    assert "nothing is known of 'tx-none'" in capsys.readouterr().err
    assert main(["audit", "accesses", "tx-3", at]) == 0
    principals = [json.loads(line)["principal"] for line in capsys.readouterr().out.splitlines()]
    assert "ann" in principals
    assert main(["audit", "retain", at, *audited]) == 0
    assert main(["audit", "verify", at, *audited]) == 0


def test_retain(dsn: str, audited: list[str], connection: Connection, capsys: Output) -> None:
    at = f"--postgres={dsn}"
    ahead = partitions.months_ahead(datetime.now(UTC))[-1]
    for table in partitions.PARTITIONED:
        connection.execute(f"DROP TABLE {table}{ahead:_%Y_%m}".encode())
    connection.execute(
        "INSERT INTO idempotency_keys (scope, key, request_sha256, claimed_at)"
        " VALUES ('labels', 'old', '', now() - interval '8 days'), ('labels', 'new', '', now())"
    )
    assert main(["audit", "retain", at, *audited, "--storage=100Gi"]) == 0
    said = capsys.readouterr().out
    assert f"partitions are there up to {ahead:%Y-%m}" in said
    assert partitions.months(connection)[-1] == ahead
    assert "forgot 1 idempotency keys" in said
    assert "of 102,400 Mi" in said
    assert main(["audit", "retain", at, "--storage=1Mi"]) == 1
    assert "give it a larger volume, or keep fewer days" in capsys.readouterr().out
    assert main(["audit", "retain", at]) == 0


def test_keys_are_those_of_openssl(tmp_path: Path, audited: list[str], capsys: Output) -> None:
    private, public = tmp_path / "new.key", tmp_path / "new.pub"
    for command in (
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", private],
        ["openssl", "pkey", "-in", private, "-pubout", "-out", public],
    ):
        subprocess.run(command, check=True, capture_output=True)
    given = ["audit", "verify", "--no-postgres", audited[0], f"--public-key={public}"]
    assert main(given) == 1
    assert "give the public key that was in use then, too" in capsys.readouterr().out
    assert main([*given, audited[1]]) == 0
