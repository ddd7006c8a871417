"""Which of the models in this process answers.

For now a process holds the one that its plan names. What pushes plans to a running process adds
further revisions with `install` and moves between them with `activate`.
"""

from __future__ import annotations

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

    def install(self, loaded: LoadedModel) -> None:
        """Hold a proven model, beside what is already held."""
        self._models[loaded.revision] = loaded

    def activate(self, revision: str) -> None:
        """Let that revision answer every request from now on. Raises KeyError if it is not held."""
        self._active = self._models[revision]
