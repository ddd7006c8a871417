"""The three servers that are compared, each with the same model behind it: a forest of depth 12.

The engine's server gets all twenty features in the request. The whole path and the plain way get
eight, and the twelve of the handbook's windows from Redis.

Under load an entity has thousands of transactions within minutes. Such histories are nobody's, and
most answers would be reviewed: so that the whole path does not explain what the others do not, its
version is published without reference rows, and gives no reasons.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from bench import machine, models
from bench.records.stores import Stores
from bench.scorer.environments import environment
from bench.scorer.goals import FOREST
from bench.scorer.load import NUMBER
from bench.scorer.material import Material, material
from bench.scorer.servers import OURS, Place, Server
from examples.handbook import windows
from fraud_scorer.artifact.manifest import Feature
from fraud_scorer.publishing import publish_model

KEPT = {one.name: one for one in windows.declared()}
PINS = Path(__file__).with_name("peers")
_APP = Path(__file__).with_name("plain.py")
_GOLDEN = 16

Transaction = Mapping[str, Any]


@dataclass(frozen=True)
class Contest:
    """The model twice, and the transactions that everybody is asked about."""

    material: Material
    kept: Path
    """The version whose windows are kept."""
    undated: list[dict[str, Any]]

    def happening(self) -> list[dict[str, Any]]:
        """The transactions, as they happen now: what is older than Redis may have been counted
        by one before it, and waits for Postgres to tell."""
        now = datetime.now(UTC).isoformat()
        return [one | {"event_time": now} for one in self.undated]


def contest(folder: Path) -> Contest:
    """Train once, publish twice."""
    made = material(FOREST, models.estimators()[FOREST], models.data(), folder)
    rows = [dict(zip(models.NAMES, row, strict=True)) for row in np.load(folder / "rows.npy")]
    publish_model(
        joblib.load(made.trained),
        to=str(folder / "kept"),
        model="card-payments",
        version="v1",
        features=[KEPT.get(name) or Feature(name=name, type="number") for name in models.NAMES],
        golden=rows[:_GOLDEN],
        thresholds=made.thresholds,
    )
    asked = [one | {"transaction_id": f"tx-{NUMBER}"} for one in made.transactions]
    return Contest(made, folder / "kept" / "v1", asked)


def of_the_request(transaction: Transaction) -> Any:
    """Without the features that are kept."""
    given = transaction["features"].items()
    return {**transaction, "features": {name: it for name, it in given if name not in KEPT}}


def engine_only() -> Server:
    """Ours, without stores."""
    return OURS


def whole_path(given: Contest, stores: Stores, spool: Path) -> Server:
    """Ours, with features from Redis and every answer recorded."""
    redis, postgres = stores.secrets()

    def start(place: Place) -> list[str]:
        return [
            place.command("fraud-scorer"), "serve", str(given.kept), "--listen",
            f"127.0.0.1:{place.port}", "--management", f"127.0.0.1:{place.ports[1]}",
            "--log-level", "warning", "--detector", "bench", "--redis", str(redis),
            "--postgres", str(postgres), "--records", str(spool), "--records-limit", "8Gi",
        ]  # fmt: skip

    return Server(
        "whole", "the whole path", start, "/v1/score", of_the_request,
        lambda answer: float(answer["score"]),
    )  # fmt: skip


def plain_way(given: Contest, stores: Stores) -> Server:
    """The same by hand: a call of redis-py and an insert by asyncpg a request."""
    commands = environment("plain", PINS)

    def start(place: Place) -> list[str]:
        return [
            str(commands / "python"), str(_APP), str(given.material.compiled), str(place.port),
            stores.redis_url, stores.plain_dsn,
        ]  # fmt: skip

    return Server(
        "plain", "the plain way", start, "/score", of_the_request,
        lambda answer: float(answer["score"]),
        ready="/",
        variables=lambda _: {"PYTHONPATH": str(machine.ROOT / "scorer")},
    )  # fmt: skip


def tell_plain(given: Contest, stores: Stores) -> None:
    """Put the kept features of all entities where the plain way looks for them."""
    with stores.redis.client() as redis:
        for one in given.undated:
            features = one["features"]
            for kind, who in one["entities"].items():
                known = {name: it for name, it in features.items() if name.startswith(kind)}
                redis.set(f"{kind}:{who}:features", json.dumps(known), ex=3600)


def commands() -> Path:
    """The folder with this environment's commands."""
    return Path(sys.executable).parent
