"""How many Redis commands a request costs, by Redis' own count, whatever its customer's history.

Requests come one after the other, so that no two share a call: that is the most they cost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.records import servers
from bench.records.servers import Contest
from bench.records.stores import Stores
from bench.scorer.running import Running, ServerError, free_ports, running
from bench.scorer.servers import Place

HISTORIES = (1, 10_000)
REQUESTS = 200
_WARM_SECONDS, _QUIET_SECONDS, _TRIES = 30.0, 0.5, 5
_NOT_OF_REQUESTS = {"info", "ping", "auth", "hello", "client|setinfo"}

_PAST = """
INSERT INTO transactions (recorded_at, transaction_id, user_id, "timestamp", amount_minor, currency,
                          entities, chain, sequence)
SELECT at, %(customer)s || '-' || n, %(customer)s, at, 100 + n, 'EUR',
       jsonb_build_object('customer', %(customer)s::text, 'terminal', 't-' || n),
       gen_random_uuid(), n
FROM generate_series(1, %(count)s) n,
     LATERAL (SELECT now() - n * interval '25 days' / %(count)s - interval '1 minute' AS at) x
"""


@dataclass(frozen=True)
class Counted:
    """Commands a request, by name; those that a script calls are counted too."""

    history: int
    commands: Mapping[str, float]


def measure(given: Contest, stores: Stores, folder: Path, core: int) -> list[Counted]:
    """For a customer of one transaction, and of ten thousand. Raises ServerError."""
    folder.mkdir()
    server = servers.whole_path(given, stores, folder / "spool")
    place = Place(given.material, servers.commands(), folder, free_ports(3))
    with running(server, place, core) as one:
        return [_count(one, given, stores, length) for length in HISTORIES]


def _count(one: Running, given: Contest, stores: Stores, length: int) -> Counted:
    customer = f"customer-of-{length}"
    with stores.database.connect() as connection:
        connection.execute(_PAST, {"customer": customer, "count": length})
    transaction = given.happening()[0]
    entities = {**transaction["entities"], "customer": customer}
    asked = 0

    def ask() -> list[str]:
        nonlocal asked
        asked += 1
        name = f"{customer}-now-{asked}"
        body = {**transaction, "transaction_id": name, "entities": entities}
        return list(one.ask(body)["degraded"])

    ends = time.monotonic() + _WARM_SECONDS
    while why := ask():
        if time.monotonic() > ends:
            raise ServerError(f"a history of {length} is not known: {', '.join(why)}")
        time.sleep(0.1)
    for _ in range(_TRIES):
        before = _calls(stores)
        degraded = [why for _ in range(REQUESTS) for why in ask()]
        after = _calls(stores)
        if not degraded:
            break
    else:
        said = ", ".join(sorted(set(degraded)))
        raise ServerError(f"no {REQUESTS} requests in a row had all that they needed: {said}")
    spent = {name: after[name] - before.get(name, 0) for name in sorted(after)}
    return Counted(length, {name: count / REQUESTS for name, count in spent.items() if count})


def _calls(stores: Stores) -> dict[str, int]:
    """By command, once nothing is under way any more."""
    time.sleep(_QUIET_SECONDS)
    with stores.redis.client() as redis:
        stats = redis.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}
    return {name: count for name, count in calls.items() if name not in _NOT_OF_REQUESTS}
