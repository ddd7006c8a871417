"""`fraud-operator` as in a pod: the API server by its environment, who it is by a mounted token.

    SERVICE_ACCOUNT=<folder of token, ca.crt, namespace> python -m tests.support.pod_operator run …

With a kubeconfig it would import a client that a pod never has, for a sixth of its memory. What
stands in for the mount is this process; the product has no hook for it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fraud_operator.cli.main import main
from fraud_operator.runtime import connection


def as_pod(mounted: Path) -> None:
    """From here on `mounted` is what a pod finds of its ServiceAccount."""
    connection.SERVICE_ACCOUNT = mounted
    connection.in_cluster.__defaults__ = (mounted,)


if __name__ == "__main__":
    as_pod(Path(os.environ["SERVICE_ACCOUNT"]))
    sys.exit(main())
