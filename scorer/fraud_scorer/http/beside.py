"""What a serving process has besides its model, put together as its settings say: kept features,
claims, the chain of its records, lists and draws, the routes about these. At its end it is taken
apart in order.

Nothing is imported that is not asked for: a process without Postgres has no driver loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fraud_scorer.decisions.claims import Claims
from fraud_scorer.decisions.lists import Lists
from fraud_scorer.decisions.random_approvals import RandomApprovals
from fraud_scorer.http.asgi import Routes
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.settings import RecordSettings, RuleSettings, Settings, StoreSettings
from fraud_scorer.ledger.spool import Spool, SpoolFull
from fraud_scorer.ledger.stretches import software
from fraud_scorer.ledger.writer import Writer
from fraud_scorer.metrics import Metrics
from fraud_scorer.pipeline.context import Context
from fraud_scorer.pipeline.record import Records
from fraud_scorer.pipeline.stages import Rules, Stages
from fraud_scorer.redis.address import mounted
from fraud_scorer.redis.client import RedisClient
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.refusal import KeptFeaturesMissing

if TYPE_CHECKING:
    from fraud_scorer.decisions.lists_copy import ListsCopy
    from fraud_scorer.features.history import History
    from fraud_scorer.features.layout import Layout
    from fraud_scorer.features.online import OnlineFeatures
    from fraud_scorer.features.postgres import PostgresHistory
    from fraud_scorer.http.records.routes import Records as RecordRoutes
    from fraud_scorer.ledger.archive import Archive
    from fraud_scorer.ledger.seals import Verifier
    from fraud_scorer.pipeline.kept import KeptFeatures

_PAUSE = 1.0

_log = logging.getLogger(__name__)

Waiting = Callable[[str, str], None]
"""Is told reason and message of what is waited for."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What there is."""

    stages: Stages
    kept: KeptFeatures | None = None
    records: RecordRoutes | None = None

    async def prepare(self, model: LoadedModel) -> None:
        """Look for what that model needs, before it takes part. Raises KeptFeaturesMissing where
        the process was not told of it."""
        if self.kept is not None:
            await self.kept.prepare(model)
        elif model.layout is not None:
            raise KeptFeaturesMissing(model)

    def routes(self, admit: Callable[[Mapping[bytes, bytes]], Context], limits: Limits) -> Routes:
        """What the API port answers besides scores."""
        if self.records is None:
            return {}
        from fraud_scorer.http.records.routes import routes

        return routes(self.records, admit, limits)


@contextlib.asynccontextmanager
async def beside(settings: Settings, metrics: Metrics, waiting: Waiting) -> AsyncIterator[Beside]:
    """For the time of a `with`. Leave it once everything is answered: the chain ends then."""
    async with contextlib.AsyncExitStack() as stack:
        stores = settings.stores
        if settings.data is not None:
            from fraud_scorer.http.laptop import laptop

            draws = _rules(settings.rules, None)
            yield Beside(*await laptop(stack, settings.data, stores.subject, draws, metrics))
            return
        history = _history(stores)
        if history is not None:
            stack.push_async_callback(history.aclose)
        claims = kept = None
        if stores.redis is not None:
            redis = await _redis(stores.redis, stores.redis_timeout)
            stack.push_async_callback(redis.aclose)
            claims = Claims(redis, stores.detector)
            stack.callback(claims.close)
            kept = _kept(stores, redis, history)
            stack.push_async_callback(kept.aclose)
        routes, lists = None, None
        if stores.postgres is not None and stores.lookup_connections:
            routes, copy = _routes(stores, stores.postgres, kept, settings.rules, metrics)
            stack.push_async_callback(routes.aclose)
            if copy is not None:
                stack.push_async_callback(copy.aclose)
                await copy.start()
                lists = copy.lists
        rules = _rules(settings.rules, lists)
        records = None
        if settings.records is not None:
            writer = await _begun(settings.records, waiting)
            stack.callback(writer.close)
            records = Records(
                writer,
                metrics,
                blocks=settings.records.recording.when_full == "block",
                waits=settings.records.recording.durability == "Committed",
            )
        yield Beside(Stages(kept, records, claims, rules), kept, routes)


async def _begun(settings: RecordSettings, waiting: Waiting) -> Writer:
    """A chain that has begun, however long the spool has no room for it."""
    spool = Spool(settings.folder, settings.limit)
    begin = partial(
        Writer,
        spool,
        settings.recording,
        detector=settings.detector,
        pod=socket.gethostname(),
        software=software(),
    )
    while True:
        try:
            return begin()
        except SpoolFull as full:
            _log.warning("no chain can begin: %s", full)
            waiting("SpoolFull", str(full))
        except OSError as error:
            where = error.filename or settings.folder
            raise OSError(error.errno, os.strerror(error.errno or 0), str(where)) from None
        await asyncio.sleep(_PAUSE)


def _history(settings: StoreSettings) -> PostgresHistory | None:
    """Where histories are read from that Redis has not."""
    if settings.redis is None or settings.postgres is None or not settings.history_connections:
        return None
    from fraud_scorer.features.postgres import Names, PostgresHistory
    from fraud_scorer.ledger.database import secret

    return PostgresHistory(
        partial(secret, settings.postgres),
        names=Names(entities={settings.subject: "user_id"}),
        connections=settings.history_connections,
    )


async def _redis(folder: Path, deadline: float) -> RedisClient:
    """Redis, looked for, and waited for, but not for long: it may come later."""
    client = RedisClient(partial(mounted, folder), deadline)
    client.start()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(client.breaker.wait_closed(), _PAUSE)
    return client


def _kept(settings: StoreSettings, redis: RedisClient, history: History | None) -> KeptFeatures:
    from fraud_scorer.features.online import OnlineFeatures
    from fraud_scorer.features.settings import Settings as FeatureSettings
    from fraud_scorer.pipeline.kept import KeptFeatures

    prefix = f"features:{settings.detector}" if settings.detector else "features"
    chosen = FeatureSettings(
        prefix=prefix, ttl=settings.features_ttl, history_deadline=settings.history_timeout
    )

    def make(layout: Layout) -> OnlineFeatures:
        return OnlineFeatures(layout, redis, history, chosen)

    return KeptFeatures(make, history)


def _rules(settings: RuleSettings, lists: Lists | None) -> Rules | None:
    """What decides besides the thresholds; None: nothing does."""
    draws = None
    if settings.key is not None:
        draws = RandomApprovals(settings.key.read_bytes(), settings.share, settings.most_minor)
    return None if lists is None and draws is None else Rules(lists, draws)


def _routes(
    settings: StoreSettings,
    postgres: Path,
    kept: KeptFeatures | None,
    rules: RuleSettings,
    metrics: Metrics,
) -> tuple[RecordRoutes, ListsCopy | None]:
    """What the routes about records need, and what keeps the lists where they are heeded."""
    from fraud_scorer.http.records.access import RecordsAccess
    from fraud_scorer.http.records.postgres import PostgresLedger
    from fraud_scorer.http.records.refreshing import Refreshing
    from fraud_scorer.http.records.routes import Records as RecordRoutes
    from fraud_scorer.http.records.transactions import OldRecords
    from fraud_scorer.ledger.database import Database

    database = Database(postgres, name="fraud-scorer serve")
    access = RecordsAccess(database, threads=settings.lookup_connections)
    copy = None
    if rules.lists:
        from fraud_scorer.decisions.lists_copy import ListsCopy

        copy = ListsCopy(Lists(), access.ask, looked=metrics.looked_at_lists)
    changed = _nobody if copy is None else copy.changed
    old = None if settings.archive is None else OldRecords(partial(_archive, settings))
    if kept is None:
        ledger = PostgresLedger(access, refreshed=False)
        return RecordRoutes(ledger, access, old, lists_changed=changed), copy
    routes = RecordRoutes(
        PostgresLedger(access, refreshed=True),
        access,
        old,
        refreshing=Refreshing(kept.refresh),
        kept=partial(kept.of_entity, settings.subject),
        lists_changed=changed,
    )
    return routes, copy


def _archive(settings: StoreSettings) -> tuple[Archive, Verifier]:
    """Where old records are, and who knows their seals: the present key's."""
    from fraud_scorer.artifact.opening import open_described
    from fraud_scorer.ledger.archive import Archive
    from fraud_scorer.ledger.seals import Verifier, signer_from

    assert settings.archive is not None, "or nobody asks"  # noqa: S101
    assert settings.seal_key is not None, "they go together"  # noqa: S101
    store = open_described(settings.archive, settings.archive_credentials)
    return Archive(store), Verifier([signer_from(settings.seal_key).public])


def _nobody() -> None:
    """Lists are not heeded here."""
