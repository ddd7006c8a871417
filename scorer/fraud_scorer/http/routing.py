"""Which handlers answer a path: one of the fixed paths, or a template such as `/v2/models/{name}`.

A parameter is one segment of the path as it was sent, decoded after splitting, so that a name may
hold whatever a URL can, a slash (`%2F`) too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import unquote

T = TypeVar("T")


class Match(NamedTuple, Generic[T]):
    """The route that a path belongs to."""

    route: str
    """As it was declared: few values, whatever is asked for."""
    target: T
    parameters: Mapping[str, str]


class Router(Generic[T]):
    """Targets by path. A fixed path wins over a template."""

    def __init__(self, routes: Mapping[str, T]) -> None:
        self._fixed = {
            route: Match(route, target, {}) for route, target in routes.items() if "{" not in route
        }
        self._templates = [
            (route.split("/"), route, target) for route, target in routes.items() if "{" in route
        ]
        self.paths: Iterable[str] = tuple(routes)

    def match(self, path: str, raw_path: bytes) -> Match[T] | None:
        """The route of a path (decoded, and as it was sent), or None."""
        if found := self._fixed.get(path):
            return found
        segments = raw_path.decode("latin-1").split("/")
        for template, route, target in self._templates:
            parameters = _filled(template, segments)
            if parameters is not None:
                return Match(route, target, parameters)
        return None


def _filled(template: list[str], segments: list[str]) -> dict[str, str] | None:
    """What the parameters of a template are for these segments; None where it is another path."""
    if len(template) != len(segments):
        return None
    parameters = {}
    for wanted, given in zip(template, segments, strict=True):
        if wanted.startswith("{") and given:
            parameters[wanted[1:-1]] = unquote(given)
        elif wanted != given:
            return None
    return parameters
