"""What Redis, and asking it, cost a request: `python -m bench.asking`."""

from bench.asking.measure import main

__all__ = ["main"]
