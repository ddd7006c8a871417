"""kubectl fraud starts quickly because each command imports only what it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PLAN = "fraud_operator.plan.detector"
HEAVY = ("aiohttp", "boto3", "kopf", "kubernetes", "pydantic", "yaml", PLAN)


def imported(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import fraud_operator.cli.kubectl_fraud", set()),
        ("import fraud_operator.cli.fraud_status", {"aiohttp", "yaml"}),
        (
            "import fraud_operator.cli.fraud_plan",
            {"aiohttp", "yaml", "pydantic", PLAN},
        ),
        ("import fraud_operator.cli.fraud_doctor", {"aiohttp", "yaml", "pydantic"}),
    ],
    ids=["the command line", "status", "plan", "doctor"],
)
def test_it_imports_no_more_than_it_needs(code: str, allowed: set[str]) -> None:
    assert imported(code) <= allowed
