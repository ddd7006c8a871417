"""The models that this process holds, and the part that each of them plays.

A process holds any number of revisions, each proven before it comes in here: what serves, what
served before, what is on trial. Giving them other parts is one assignment, so that no request waits
and none is answered by two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fraud_scorer.artifact.plan import Decision
from fraud_scorer.registry.loaded import LoadedModel
from fraud_scorer.registry.share import Share

Role = Literal["active", "candidate", "shadow", "last-known-good"]


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Who answers, at one moment."""

    active: LoadedModel | None = None
    fallback: bool = False
    """Whether `active` only stands in for the one that should be."""
    candidate: LoadedModel | None = None
    share: Share | None = None
    """What the candidate answers; None: nothing."""
    shadow: bool = False
    """Whether the candidate scores a copy of everything."""
    last_known_good: LoadedModel | None = None
    """Held in case; answers nothing as such."""
    when_unavailable: Decision | None = None
    """What is decided where nothing is active."""

    def named(self) -> Mapping[Role, LoadedModel]:
        """The models by their parts."""
        parts: dict[Role, LoadedModel | None] = {
            "last-known-good" if self.fallback else "active": self.active,
            "shadow" if self.shadow else "candidate": self.candidate,
        }
        if not self.fallback:
            parts["last-known-good"] = self.last_known_good
        return {role: model for role, model in parts.items() if model is not None}


class ModelRegistry:
    """Models by revision. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._models: dict[str, LoadedModel] = {}
        self._roles = Roles()
        self._watchers: list[Callable[[Roles], None]] = []

    @property
    def roles(self) -> Roles:
        """Who answers now."""
        return self._roles

    @property
    def held(self) -> Mapping[str, LoadedModel]:
        """Everything that is held, by revision."""
        return MappingProxyType(self._models)

    def watch(self, changed: Callable[[Roles], None]) -> None:
        """Tell of the parts as they are, and whenever they are given anew."""
        self._watchers.append(changed)
        changed(self._roles)

    def install(self, loaded: LoadedModel) -> None:
        """Hold a proven model, beside what is already held."""
        self._models[loaded.revision] = loaded

    def assign(self, roles: Roles) -> None:
        """Let these answer every request from now on."""
        self._roles = roles
        for changed in self._watchers:
            changed(roles)

    def activate(self, revision: str) -> None:
        """Let that revision alone answer every request. Raises KeyError if it is not held."""
        self.assign(Roles(active=self._models[revision]))

    def drop(self, revision: str) -> None:
        """Hold that revision no longer. Raises KeyError if it is not held, and ValueError where it
        has a part."""
        if self._models[revision] in self._roles.named().values():
            raise ValueError(f"{revision} answers requests: let another one first")
        del self._models[revision]
