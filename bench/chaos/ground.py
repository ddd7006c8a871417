"""What the faults are played on: a real Redis, Postgres and S3, a model, and pods that use them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sklearn.linear_model import LogisticRegression

from bench.chaos.filesystem import FileSystem, file_system
from bench.chaos.load import Heard
from bench.chaos.pods import Pod
from bench.mounted import secret
from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.features import Window
from fraud_scorer.artifact.manifest import Feature, Thresholds
from fraud_scorer.artifact.plan import store_location
from fraud_scorer.ledger.entity_indexes import index_entities
from fraud_scorer.publishing import publish_model
from tests.cluster.control_plane import LOOPBACK, free_ports
from tests.support import object_stores, postgres, redis
from tests.support.bucket import client_of
from tests.support.ledger import migrated
from tests.support.object_stores import Server
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

BUCKET, PREFIX = "audit", "chaos/"
CONNECTIONS = 40
_LOGIN, _PASSWORD = "fraudops_scorer_a", "of-the-scorer"
_DELIVERED_SECONDS = 90.0


@dataclass(frozen=True)
class Kept:
    """What Postgres has of what was acknowledged."""

    acknowledged: int
    found: int
    missing: int
    duplicated: int
    """Answers that are there twice, and transactions that are there twice without a mark."""
    linked: int
    """Transactions that are there again, marked as such: their first answer reached nobody."""
    missed: int
    """Answers that a chain says it does not have."""


@dataclass
class Ground:
    """See the module. Faults break what is here, and mend it."""

    folder: Path
    disk: FileSystem
    redis: RedisServer
    postgres: PostgresServer
    model: Path
    s3: Server | None = None
    pods: list[Pod] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)

    def pod(self, *, redis_port: int = 0, limit: str = "1Gi", when_full: str = "block") -> Pod:
        """Start one, and return when it is ready."""
        name = f"pod-{next(self._number)}"
        command = [
            str(self.model), "--detector=chaos", f"--redis={self._redis_secret(redis_port)}",
            f"--postgres={self.folder / 'postgres'}", f"--archive={self.folder / 'archive.json'}",
            f"--archive-credentials={self.folder / 's3-keys'}",
            f"--seal-key={self.folder / 'seal.key'}", f"--records-limit={limit}",
            f"--when-full={when_full}", "--spill-after=2", "--ship-grace=20", "--drain=0.5",
            "--shutdown=5", "--log-level=warning",
        ]  # fmt: skip
        port, management = free_ports(2)
        pod = Pod(command, self.folder / name, port, management)
        self.pods.append(pod)
        return pod.start()

    def end_pods(self) -> None:
        """End all that are there, in order, and remove them with their spools."""
        for pod in self.pods:
            pod.terminate()
        while self.pods:
            self.pods.pop().gone()

    def kill_pods(self) -> None:
        """Leave none behind."""
        for pod in self.pods:
            pod.kill()

    def start_s3(self) -> None:
        """Start S3, at the place where it was."""
        port = int(self.s3.endpoint.rpartition(":")[2]) if self.s3 is not None else 0
        self.s3 = object_stores.versitygw(self.folder / "s3", port=port)

    def kept(self, heard: Heard) -> Kept:
        """What Postgres has once all is delivered. Pods that are gone left the rest of theirs in
        the archive: another one delivers it."""
        kept = self._look(heard)
        if kept.missing and not self.pods:
            self.pod()
        end = time.monotonic() + _DELIVERED_SECONDS
        while kept.missing > kept.missed and time.monotonic() < end:
            time.sleep(0.5)
            kept = self._look(heard)
        self.end_pods()
        return self._look(heard)

    def verify(self) -> str:
        """What `fraud-scorer audit verify` finds; empty: nothing."""
        done = run(
            [
                sys.executable, "-m", "fraud_scorer.cli.main", "audit", "verify",
                f"--postgres={self.postgres.dsn()}", f"--archive=s3://{BUCKET}/{PREFIX}",
                f"--endpoint={self._s3_endpoint}", "--region=us-east-1",
                f"--store-credentials={self.folder / 's3-keys'}",
                f"--public-key={self.folder / 'seal.pub'}",
            ],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()

    def forget(self) -> None:
        """Empty Redis, so that one fault has nothing of another."""
        self.redis.client().flushall()

    @property
    def _s3_endpoint(self) -> str:
        assert self.s3 is not None
        return self.s3.endpoint

    def _redis_secret(self, port: int) -> Path:
        port = port or self.redis.port
        return secret(
            self.folder / f"redis-{port}", host=LOOPBACK, port=str(port), password=redis.PASSWORD
        )

    def _look(self, heard: Heard) -> Kept:
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TEMP TABLE heard (transaction_id text, prediction_id text)")
            with connection.cursor().copy("COPY heard FROM STDIN") as copy:
                for answer in heard.acknowledged.items():
                    copy.write_row(answer)
            connection.execute("ANALYZE heard")
            row = connection.execute(_LOOK, [heard.since]).fetchone()
        assert row is not None
        return Kept(len(heard.acknowledged), *map(int, row))

    def prepare(self) -> None:
        """Schema, Secrets, keys and the bucket."""
        migrated(self.postgres.dsn(), {_LOGIN: _PASSWORD})
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as connection:
            index_entities(connection, None, ["terminal"])
        secret(
            self.folder / "postgres", host=LOOPBACK, port=str(self.postgres.port),
            dbname="postgres", username=_LOGIN, password=_PASSWORD,
        )  # fmt: skip
        keys = object_stores.ACCESS_KEY, object_stores.SECRET_KEY
        secret(self.folder / "s3-keys", accessKeyID=keys[0], secretAccessKey=keys[1])
        (self.folder / "s3").mkdir()
        self.start_s3()
        client_of(self._s3_endpoint, *keys).create_bucket(Bucket=BUCKET)
        location = store_location(f"s3://{BUCKET}/{PREFIX}", endpoint=self._s3_endpoint)
        (self.folder / "archive.json").write_bytes(canonical_json(location))
        key = Ed25519PrivateKey.generate()
        (self.folder / "seal.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (self.folder / "seal.pub").write_bytes(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )


_LOOK = """
WITH answers AS (
    SELECT h.transaction_id, h.prediction_id,
           (SELECT count(*) FROM predictions p
            WHERE p.transaction_id = h.transaction_id AND p.prediction_id = h.prediction_id
              AND p.role <> 'shadow') AS there,
           (SELECT count(*) FROM predictions p
            WHERE p.transaction_id = h.transaction_id AND p.role <> 'shadow') AS answered,
           (SELECT count(*) FROM predictions p JOIN audit a USING (chain, sequence, recorded_at)
            WHERE p.transaction_id = h.transaction_id AND p.role <> 'shadow'
              AND (a.body::jsonb->>'duplicate')::boolean) AS marked
    FROM heard h
)
SELECT count(*) FILTER (WHERE there >= 1), count(*) FILTER (WHERE there = 0),
       count(*) FILTER (WHERE there > 1 OR answered > 1 + marked),
       count(*) FILTER (WHERE answered > 1 AND answered <= 1 + marked),
       (SELECT coalesce(sum((body::jsonb->>'count')::int), 0) FROM audit
        WHERE kind = 'missed' AND recorded_at >= %s)
FROM answers
"""


@contextmanager
def ground() -> Iterator[Ground]:
    """Everything started; removed afterwards, with all that it left."""
    with ExitStack() as stack:
        disk = stack.enter_context(file_system())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fraudops-chaos-")))
        server = PostgresServer(disk.folder, postgres.find_binaries(), _settings())
        server.create()
        server.start()
        stack.callback(server.stop)
        cache = stack.enter_context(contextmanager(redis.serve)())
        one = Ground(folder, disk, cache, server, _model(folder))
        stack.callback(lambda: one.s3.stop() if one.s3 is not None else None)
        stack.callback(one.kill_pods)
        one.prepare()
        yield one


def _settings() -> dict[str, str]:
    return {
        **postgres.SETTINGS, "max_connections": str(CONNECTIONS), "max_wal_size": "256MB",
        "min_wal_size": "32MB",
    }  # fmt: skip


def _model(folder: Path) -> Path:
    """A small one that needs histories of customers and of terminals."""
    features = [
        Feature(name="amount", type="number"),
        *(
            Feature(
                name=f"{kind}_count_1d",
                type="number",
                source=Window(
                    entity=kind, aggregate="count", window="24h", bucket="1h", default=0.0
                ),
            )
            for kind in ("customer", "terminal")
        ),
    ]
    rows = np.random.default_rng(7).uniform(0, 100, (500, len(features)))
    fitted = LogisticRegression().fit(rows, rows[:, 0] > 60)
    named: list[dict[str, Any]] = [
        dict(zip((one.name for one in features), row, strict=True)) for row in rows.tolist()
    ]
    publish_model(
        fitted, to=str(folder / "models"), model="chaos", version="v1", features=features,
        golden=named[:5], reference=named, thresholds=Thresholds(review="0.5", decline="0.9"),
    )  # fmt: skip
    return folder / "models" / "v1"
