"""A real Redis, as a child process."""

from tests.support.redis import own_redis

__all__ = ["own_redis"]
