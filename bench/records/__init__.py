"""What records cost: on the way of an answer, and on their way to Postgres."""

from bench.records.command import main

__all__ = ["main"]
