"""Real stores, as child processes."""

from tests.stores.ledger.conftest import connection, dsn, ledger, template
from tests.support.postgres import database, own_postgres, postgres
from tests.support.redis import _redis_of_the_run, own_redis, redis_server

__all__ = [
    "_redis_of_the_run",
    "connection",
    "database",
    "dsn",
    "ledger",
    "own_postgres",
    "own_redis",
    "postgres",
    "redis_server",
    "template",
]
