"""What the operator costs with thousands of FraudDetectors: `python -m bench.fleet`.

bench/README.md says what is measured, and how to read it.
"""

from bench.fleet.command import main

__all__ = ["main"]
