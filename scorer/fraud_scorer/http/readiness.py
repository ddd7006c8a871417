"""Whether the service takes requests, and why not."""

from __future__ import annotations

from msgspec import Struct


class Readiness(Struct):
    """Starts as not ready. Reasons are CamelCase, messages say what to do."""

    ready: bool = False
    reason: str = "Starting"
    message: str = "the model is being loaded"

    def set_ready(self) -> None:
        """Requests are welcome."""
        self.ready, self.reason, self.message = True, "Ready", ""

    def set_not_ready(self, reason: str, message: str) -> None:
        """Requests should go elsewhere."""
        self.ready, self.reason, self.message = False, reason, message
