"""`python -m bench.fanout`."""

import sys

from bench.fanout import main

if __name__ == "__main__":
    sys.exit(main())
