"""The compiled engine against scikit-learn, in one process: `python -m bench.engine`."""

from bench.engine.measure import main

__all__ = ["main"]
