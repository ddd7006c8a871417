"""The command `python -m bench.scorer`."""

import sys

from bench.scorer.command import main

if __name__ == "__main__":
    sys.exit(main())
