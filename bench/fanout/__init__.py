"""How long it takes until every pod follows another model plan: `python -m bench.fanout`."""

from bench.fanout.measure import main

__all__ = ["main"]
