"""What a serving process has besides its model where nothing was given for it: the embedded
default, for a laptop. Histories and claims are in memory, records in one file."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from fraud_scorer.embedded.claims import EmbeddedClaims
from fraud_scorer.embedded.data import DataFile
from fraud_scorer.embedded.features import EmbeddedFeatures, EmbeddedHistory
from fraud_scorer.embedded.ledger import EmbeddedLedger
from fraud_scorer.embedded.records import EmbeddedRecorder
from fraud_scorer.features.layout import Layout
from fraud_scorer.http.records.routes import Records as RecordRoutes
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.kept import KeptFeatures
from fraud_scorer.pipeline.record import Records
from fraud_scorer.pipeline.stages import Rules, Stages


async def laptop(
    stack: contextlib.AsyncExitStack,
    path: Path,
    subject: str,
    rules: Rules | None,
    metrics: Metrics,
) -> tuple[Stages, KeptFeatures, RecordRoutes]:
    """All of it, until `stack` ends. Raises OSError where the file cannot be used."""
    data = DataFile(path)
    stack.push_async_callback(data.aclose)
    features: list[EmbeddedFeatures] = []

    def make(layout: Layout) -> EmbeddedFeatures:
        features.append(EmbeddedFeatures(layout, data))
        return features[-1]

    kept = KeptFeatures(make, EmbeddedHistory(features))
    stack.push_async_callback(kept.aclose)
    claims = EmbeddedClaims(data)
    await claims.start()
    records = Records(EmbeddedRecorder(data, subject), metrics, blocks=True, waits=True)
    routes = RecordRoutes(EmbeddedLedger(data, features), kept=partial(kept.of_entity, subject))
    stack.push_async_callback(routes.aclose)
    return Stages(kept, records, claims, rules), kept, routes
