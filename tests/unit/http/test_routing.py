"""Which route a path belongs to."""

from __future__ import annotations

import pytest

from fraud_scorer.http.routing import Router

ROUTER = Router(
    {
        "/models": 1,
        "/models/{name}": 2,
        "/models/special": 3,
        "/models/{name}/versions/{version}/ready": 4,
    }
)


@pytest.mark.parametrize(
    ("path", "target", "parameters"),
    [
        ("/models", 1, {}),
        ("/models/cards", 2, {"name": "cards"}),
        ("/models/special", 3, {}),
        ("/models/a/versions/v1/ready", 4, {"name": "a", "version": "v1"}),
        ("/models/a%2Fb", 2, {"name": "a/b"}),
        ("/models/caf%C3%A9%20au%20lait", 2, {"name": "café au lait"}),
    ],
)
def test_a_path_that_is_there(path: str, target: int, parameters: dict[str, str]) -> None:
    found = ROUTER.match(path, path.encode())
    assert found is not None
    assert (found.target, dict(found.parameters)) == (target, parameters)


@pytest.mark.parametrize(
    "path", ["/", "/model", "/models/", "/models/a/", "/models/a/versions/v1", "/models//ready"]
)
def test_a_path_that_is_not_there(path: str) -> None:
    assert ROUTER.match(path, path.encode()) is None


def test_the_route_is_named_as_it_was_declared() -> None:
    """Whatever is asked for: it becomes a label of metrics."""
    for name in ("a", "b", "%00"):
        found = ROUTER.match(f"/models/{name}", f"/models/{name}".encode())
        assert found is not None
        assert found.route == "/models/{name}"
