"""Only an explicit verdict of a scorer counts against an artifact."""

import json
from typing import Any

from fraud_operator.observe.refusals import refusals

VERDICT = {
    "reason": "DigestMismatch",
    "version": "v3",
    "digest": "sha256:aa",
    "file": "v3/model.fdm",
    "expected": "sha256:aa",
    "actual": "sha256:bb",
    "message": "v3/model.fdm is sha256:bb",
}


def pod(name: str, state: str = "lastState", code: int = 3, message: Any = None) -> dict[str, Any]:
    text = json.dumps(VERDICT) if message is None else message
    return {
        "metadata": {"name": name},
        "status": {
            "containerStatuses": [
                {"name": "scorer", state: {"terminated": {"exitCode": code, "message": text}}}
            ]
        },
    }


def test_a_verdict_is_read_whether_the_container_restarted_or_not() -> None:
    for state in ("state", "lastState"):
        (found,) = refusals([pod("p1", state)])
        assert (found.reason, found.version, found.digest) == ("DigestMismatch", "v3", "sha256:aa")
        assert (found.file, found.expected, found.actual) == (
            "v3/model.fdm",
            "sha256:aa",
            "sha256:bb",
        )
        assert found.pod == "p1"


def test_ten_pods_say_it_once() -> None:
    assert [one.pod for one in refusals([pod(f"p{i}") for i in range(10)])] == ["p0"]


def test_everything_else_says_nothing() -> None:
    assert not refusals(
        [
            pod("oom", code=137),
            pod("crash", message="Traceback (most recent call last)"),
            pod("empty", message=""),
            pod("list", message="[1]"),
            pod("other", message='{"reason": "X"}'),
            pod("nameless", message=json.dumps({**VERDICT, "digest": ""})),
            {"metadata": {"name": "new"}, "status": {}},
            {"metadata": {"name": "waiting"}, "status": {"containerStatuses": [{"state": {}}]}},
        ]
    )
