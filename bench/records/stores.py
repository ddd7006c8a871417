"""The stores that all parts of this benchmark share: a Postgres that waits for its disk, full of
records, and a Redis; with the Secrets by which a scorer finds them, and the plain way's own table.

They run where the bench runs, so on another core than what is measured.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.mounted import secret
from bench.records import loading
from bench.scorer.running import family
from fraud_scorer.ledger import partitions
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.entity_indexes import index_entities
from fraud_scorer.ledger.migrate import migrate
from tests.cluster.control_plane import LOOPBACK
from tests.cluster.progress import step
from tests.support import postgres, redis
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

FREE_BYTES_A_RECORD = 3000
"""Of disk, with the indexes and the log of what is written."""

_WHILE_LOADING = {
    "fsync": "off", "wal_level": "minimal", "max_wal_senders": "0", "shared_buffers": "1GB",
}  # fmt: skip
_AFTERWARDS = {
    "fsync": "on", "wal_level": "replica", "synchronous_commit": "on", "full_page_writes": "on",
    "shared_buffers": "1GB", "max_wal_size": "8GB", "wal_compression": "on",
}  # fmt: skip

_PLAIN = """
CREATE TABLE predictions (
    prediction_id text NOT NULL, transaction_id text NOT NULL, user_id text NOT NULL,
    "timestamp" timestamptz NOT NULL, amount_minor bigint NOT NULL, currency text NOT NULL,
    entities jsonb NOT NULL, features jsonb NOT NULL, fraud_score double precision NOT NULL,
    decision text NOT NULL
);
CREATE INDEX ON predictions (user_id);
CREATE INDEX ON predictions ("timestamp");
CREATE INDEX ON predictions (fraud_score);
"""


@dataclass(frozen=True)
class Stores:
    """Both, running. `folder` is for their Secrets."""

    postgres: PostgresServer
    redis: RedisServer
    folder: Path

    @property
    def database(self) -> Database:
        """The records."""
        return Database(self.postgres.dsn(), name="bench", patience=3600)

    @property
    def redis_url(self) -> str:
        """For those who take one."""
        return f"redis://:{redis.PASSWORD}@{self.redis.address.host}:{self.redis.port}/0"

    @property
    def plain_dsn(self) -> str:
        """A database with the plain way's table, in the same server."""
        where = self.postgres
        return f"postgresql://postgres@/plain?host={where.folder}&port={where.port}"

    def stay_on(self, core: int) -> None:
        """Have both, and all that they start, use that core only."""
        for pid in (self.postgres.pid, self.redis.pid):
            for each in family(pid):
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(each, {core})

    def secrets(self) -> tuple[Path, Path]:
        """Of Redis and of Postgres, as a pod has them mounted."""
        return (
            secret(self.folder / "redis", uri=self.redis_url),
            secret(
                self.folder / "postgres", host=LOOPBACK, port=str(self.postgres.port),
                dbname="postgres", username="postgres", password=postgres.PASSWORD,
            ),
        )  # fmt: skip


@contextmanager
def running(folder: Path, records: int) -> Iterator[Stores]:
    """Stores with so many records, gone afterwards."""
    for server in postgres.serve(**_WHILE_LOADING):
        _require_room(server.folder, records)
        for cache in redis.serve():
            stores = Stores(server, cache, folder)
            _prepare(stores, records)
            with step("starting Postgres anew, with the settings that it is measured with"):
                server.restart(**_AFTERWARDS)
            yield stores


def _prepare(stores: Stores, records: int) -> None:
    with psycopg.connect(stores.postgres.dsn(), autocommit=True) as connection:
        migrate(connection, None)
        index_entities(connection, None, ["terminal"])
        connection.execute("CREATE DATABASE plain")
    with psycopg.connect(stores.plain_dsn, autocommit=True) as connection:
        connection.execute(_PLAIN)
    with step(f"loading {records:,} records ({records * loading.ROWS_A_RECORD:,} rows)"):
        loading.load(stores.database, records)
    with psycopg.connect(stores.postgres.dsn(), autocommit=True) as connection:
        partitions.make(connection, partitions.months_ahead(datetime.now(UTC)))


def _require_room(folder: Path, records: int) -> None:
    wanted, free = records * FREE_BYTES_A_RECORD, shutil.disk_usage(folder).free
    if free < wanted:
        raise AssertionError(
            f"{wanted >> 30} GiB of disk are needed below {folder.parent} and {free >> 30} are"
            " free: make room, name another folder in TMPDIR, or load fewer (--records)"
        )
