"""`python -m bench.engine`."""

import sys

from bench.engine import main

if __name__ == "__main__":
    sys.exit(main())
