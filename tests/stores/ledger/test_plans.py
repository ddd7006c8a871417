"""Each index has a query that needs it: the plan uses it, with enough rows for a choice.

The rows are those of ninety days, so that they lie in several months, as what is hot does: few for
`make test`, and millions for `make test-long`, where a plan that reads too much would be felt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fraud_scorer.ledger.entity_indexes import index_entities
from fraud_scorer.ledger.roles import Roles
from tests.support.ledger import migrated
from tests.support.postgres import PostgresServer

FEW, MANY = 60_000, 3_000_000
FILL = """
INSERT INTO transactions SELECT
    now() - i * %(apart)s, 'tx-' || i, 'c-' || i % %(users)s, now() - i * %(apart)s,
    i, 'EUR', jsonb_build_object('terminal', 't-' || i % %(terminals)s), '{}', 'x',
    gen_random_uuid(), i FROM generate_series(0, %(rows)s - 1) i;
INSERT INTO predictions SELECT
    recorded_at, transaction_id, 'p-' || sequence, 'active', random(), 'approve',
    CASE WHEN sequence % 50 = 0 THEN 'list.allow.customer' END,
    CASE WHEN sequence % 100 = 7 THEN 'decline' END, CASE WHEN sequence % 100 = 7 THEN 0.01 END,
    'm', 'v1', chain, sequence FROM transactions;
INSERT INTO audit SELECT recorded_at, chain, sequence, 'answered', '{}', 'x' FROM transactions;
INSERT INTO labels SELECT transaction_id, 'chargeback', recorded_at, recorded_at, 'visa', 'risk'
    FROM transactions WHERE sequence % 20 = 0;
INSERT INTO access_log SELECT now(), 'ann', 'transaction', transaction_id, 1 FROM transactions;
INSERT INTO entity_attributes SELECT 'customer', 'c-' || sequence, 'country', '"DE"', recorded_at
    FROM transactions;
INSERT INTO idempotency_keys SELECT 'labels', transaction_id, 'x', '', recorded_at
    FROM transactions WHERE sequence % 20 = 0;
INSERT INTO list_entries (list, action, entity_kind, entity_id, reason, said_by)
    SELECT 'deny', 'add', 'customer', 'c-' || sequence, 'stolen', 'ann' FROM transactions;
INSERT INTO chains SELECT gen_random_uuid(), 'cards', 'pod', now(), 0, '' FROM transactions
    WHERE sequence % 20 = 0;
INSERT INTO erasures SELECT sha256(transaction_id::bytea), recorded_at
    FROM transactions WHERE sequence % 20 = 0;
"""


@pytest.fixture(
    scope="module",
    params=[FEW, pytest.param(MANY, marks=[pytest.mark.long])],
    ids=["few", "many"],
)
def filled(
    postgres: PostgresServer, request: pytest.FixtureRequest
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A database with enough in it."""
    rows: int = request.param
    values = {
        "rows": rows, "users": rows // 20, "terminals": rows // 66,
        "apart": f"interval '{90 * 86400 / rows} seconds'",
    }  # fmt: skip
    postgres.sql("CREATE DATABASE plans")
    migrated(postgres.dsn("plans"))
    with psycopg.connect(postgres.dsn("plans"), autocommit=True) as connection:
        index_entities(connection, Roles(), ["terminal"])
        for month in connection.execute(
            "SELECT DISTINCT date_trunc('month', now() - i * interval '1 day')::date"
            " FROM generate_series(0, 91) i"
        ).fetchall():
            connection.execute("SELECT make_partitions(%s)", month)
        for statement in FILL.split(";\n"):
            for name, value in values.items():
                statement = statement.replace(f"%({name})s", str(value))
            connection.execute(statement.encode())
        connection.execute("ANALYZE")
        yield connection
    postgres.sql("DROP DATABASE plans")


@pytest.mark.parametrize(
    ("index", "query"),
    [
        ("transactions_user_id", "SELECT * FROM transactions WHERE user_id = 'c-17'"),
        (
            "transactions_user_id",
            "SELECT * FROM transactions WHERE user_id = 'c-17' AND \"timestamp\" < now()"
            ' ORDER BY "timestamp" DESC LIMIT 20',
        ),
        (
            "transactions_timestamp",
            "SELECT sum(amount_minor) FROM transactions"
            " WHERE \"timestamp\" >= now() - interval '10 minutes'",
        ),
        ("transactions_transaction_id", "SELECT * FROM transactions WHERE transaction_id = 'tx-7'"),
        (
            "predictions_fraud_score",
            "SELECT * FROM predictions WHERE recorded_at >= now() - interval '12 hours'"
            " AND fraud_score IS NOT NULL ORDER BY fraud_score DESC LIMIT 50",
        ),
        ("predictions_fraud_score", "SELECT count(*) FROM predictions WHERE fraud_score >= 0.99"),
        (
            "predictions_propensity",
            "SELECT transaction_id, decision, propensity FROM predictions"
            " WHERE propensity IS NOT NULL AND recorded_at >= now() - interval '12 hours'",
        ),
        (
            "predictions_rule",
            "SELECT decision, count(*) FROM predictions WHERE rule = 'list.allow.customer'"
            " AND recorded_at >= now() - interval '12 hours' GROUP BY decision",
        ),
        ("predictions_transaction_id", "SELECT * FROM predictions WHERE transaction_id = 'tx-7'"),
        (
            "audit_chain_sequence",
            "SELECT * FROM audit"
            " WHERE chain = '00000000-0000-0000-0000-000000000000' AND sequence = 5",
        ),
        (
            "transactions_by_terminal",
            "SELECT * FROM transactions WHERE entities->>'terminal' = 't-7'"
            " AND \"timestamp\" >= now() - interval '1 day'",
        ),
        (
            "entity_attributes_entity",
            "SELECT DISTINCT ON (name) name, value FROM entity_attributes WHERE"
            " entity_kind = 'customer' AND entity_id = 'c-17' AND observed_at <= now()"
            " ORDER BY name, observed_at DESC",
        ),
        ("labels_transaction_id", "SELECT * FROM labels WHERE transaction_id = 'tx-20'"),
        (
            "labels_observed_at",
            "SELECT * FROM labels WHERE observed_at >= now() - interval '10 minutes'",
        ),
        (
            "list_entries_entity",
            "SELECT * FROM list_entries AS word WHERE entity_kind = 'customer'"
            " AND entity_id = 'c-17' AND list = 'deny' AND NOT EXISTS (SELECT FROM list_entries"
            " AS later WHERE later.entity_kind = word.entity_kind AND later.list = word.list"
            " AND later.entity_id = word.entity_id AND later.number > word.number)",
        ),
        ("chains_open", "SELECT chain, delivered, hash FROM chains WHERE open LIMIT 1 FOR UPDATE"),
        (
            "list_entries_pkey",
            "SELECT * FROM list_entries WHERE number > 1000 ORDER BY number LIMIT 100",
        ),
        (
            "access_log_about",
            "SELECT * FROM access_log WHERE about = 'tx-7' ORDER BY accessed_at DESC LIMIT 10",
        ),
        (
            "idempotency_keys_claimed_at",
            "DELETE FROM idempotency_keys WHERE claimed_at < now() - interval '85 days'",
        ),
        (
            "erasures_erased_at",
            "SELECT * FROM erasures WHERE erased_at >= now() - interval '1 minute'",
        ),
    ],
)
def test_the_plan_uses_it(
    filled: psycopg.Connection[tuple[Any, ...]], index: str, query: str
) -> None:
    row = filled.execute(b"EXPLAIN (FORMAT JSON) " + query.encode()).fetchone()
    assert row is not None
    nodes = list(walk(row[0][0]["Plan"]))
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert used & names_of(filled, index), nodes
    # A month without rows costs nothing, and is read as it is.
    scanned = [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Total Cost"] > 1]
    assert scanned == []


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes."""
    below = node.get("Plans", [])
    yield {key: value for key, value in node.items() if key != "Plans"}
    for one in below:
        yield from walk(one)


def names_of(connection: psycopg.Connection[tuple[Any, ...]], index: str) -> set[str]:
    """The index whose name begins so, and what it is called in each partition."""
    rows = connection.execute(
        "SELECT i.relname, p.relname FROM pg_class i"
        " LEFT JOIN pg_inherits ON inhparent = i.oid LEFT JOIN pg_class p ON p.oid = inhrelid"
        " WHERE i.relkind IN ('i', 'I') AND starts_with(i.relname, %s)",
        [index],
    ).fetchall()
    return {name for names in rows for name in names if name}


def test_no_index_is_without_its_query(filled: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Every index there is belongs to a key or is named above."""
    rows = filled.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
        " AND tablename !~ '_[0-9]{4}_[0-9]{2}$'"
    )
    named = {
        "transactions_user_id", "transactions_timestamp", "transactions_transaction_id",
        "predictions_fraud_score", "predictions_transaction_id", "labels_observed_at",
        "access_log_about", "idempotency_keys_claimed_at", "erasures_erased_at",
        "transactions_by_terminal", "entity_attributes_entity", "predictions_propensity",
        "predictions_rule", "list_entries_entity", "chains_open",
    }  # fmt: skip
    assert {name for (name,) in rows if not name.endswith(("_key", "_pkey"))} == named
