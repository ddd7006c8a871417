"""`python -m bench.records`."""

import sys

from bench.records import main

if __name__ == "__main__":
    sys.exit(main())
