"""What can go wrong with Redis."""

from __future__ import annotations


class RedisError(Exception):
    """What Redis said instead of an answer."""


class RedisAway(RedisError):
    """There is no connection, or it ended before the answer came."""
