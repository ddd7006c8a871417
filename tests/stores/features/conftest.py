"""Real stores, as child processes."""

from tests.support.postgres import database, own_postgres, postgres
from tests.support.redis import _redis_of_the_run, own_redis, redis_server

__all__ = [
    "_redis_of_the_run",
    "database",
    "own_postgres",
    "own_redis",
    "postgres",
    "redis_server",
]
