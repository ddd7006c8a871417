"""`make demo` and `make demo-down`.

    python -m examples.demo up      from nothing to scored transactions, told step by step
    python -m examples.demo down    remove all of it, the cluster too

It can be run again at any time: what is built or running is used, what the last run left is
replaced.
"""

import argparse
import sys
from collections.abc import Sequence

from examples.demo import walkthrough
from tests.cluster import ClusterError
from tests.cluster.build import BuildError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description="A fraud detector on a real Kubernetes."
    )
    parser.add_argument("command", choices=["up", "down"])
    options = parser.parse_args(arguments)
    try:
        if options.command == "down":
            walkthrough.down()
            return 0
        return walkthrough.up()
    except (ClusterError, BuildError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\ninterrupted; `make demo` starts again, `make demo-down` removes all", file=sys.stderr
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
