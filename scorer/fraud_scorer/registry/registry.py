"""Which of the models in this process answers.

A process holds any number of revisions, each proven before it comes in here: what serves, what
served before, what is on trial. Moving between them is one assignment, so that no request waits and
none is answered by two. What pushes plans to a running process calls `install` and `activate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fraud_scorer.registry.loaded import LoadedModel


class ModelRegistry:
    """Models by revision, and the active one. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._models: dict[str, LoadedModel] = {}
        self._active: LoadedModel | None = None

    @property
    def active(self) -> LoadedModel | None:
        """The model that answers; None until one was activated."""
        return self._active

    @property
    def held(self) -> Mapping[str, LoadedModel]:
        """Everything that is held, by revision."""
        return MappingProxyType(self._models)

    def install(self, loaded: LoadedModel) -> None:
        """Hold a proven model, beside what is already held."""
        self._models[loaded.revision] = loaded

    def activate(self, revision: str) -> None:
        """Let that revision answer every request from now on. Raises KeyError if it is not held."""
        self._active = self._models[revision]

    def drop(self, revision: str) -> None:
        """Hold that revision no longer; requests that have it under way still finish with it.

        Raises KeyError if it is not held, and ValueError where it is the one that answers.
        """
        if self._models[revision] is self._active:
            raise ValueError(f"{revision} answers requests: activate another one first")
        del self._models[revision]
