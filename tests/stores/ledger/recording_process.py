"""A process that records until it is killed, and says on its standard output what it acknowledged.

    python recording_process.py SPOOL FIRST

An answer is acknowledged as a server would do it: recorded first, then sent.
"""

import os
import sys
from pathlib import Path

from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import answered, personal, writer


def main(folder: str, first: int) -> None:
    """Record without end."""
    one = writer(Spool(Path(folder), 1 << 30))
    number = first
    while True:
        one.record(answered(number), personal(number))
        os.write(1, b"%d\n" % number)
        number += 1


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
