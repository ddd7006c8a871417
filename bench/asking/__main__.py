"""`python -m bench.asking`."""

import sys

from bench.asking import main

if __name__ == "__main__":
    sys.exit(main())
