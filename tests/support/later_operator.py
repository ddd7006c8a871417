"""`fraud-operator` of a later build, whose opinion of scorer pods is another: one more variable.

    python -m tests.support.later_operator run …

What stands in for the later build is this process; the product has no hook for it.
"""

from __future__ import annotations

import sys
from typing import Any

from fraud_operator.cli.main import main
from fraud_operator.plan import pod_template

VARIABLE = {"name": "FRAUDOPS_LATER", "value": "1"}


def later() -> None:
    """From here on every pod template that is rendered has the variable."""
    of_today = pod_template._container

    def of_later(*given: Any) -> dict[str, Any]:
        container = of_today(*given)
        return {**container, "env": [*container.get("env", ()), VARIABLE]}

    pod_template._container = of_later


if __name__ == "__main__":
    later()
    sys.exit(main())
