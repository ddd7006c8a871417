"""How the compiler says no."""

from __future__ import annotations


class Refused(ValueError):
    """Something that cannot be compiled: `step` is where in the estimator, `problem` what is wrong,
    `instead` what would work."""

    def __init__(self, step: str, problem: str, instead: str = "") -> None:
        super().__init__(f"{step}: {problem}" + (f"; {instead}" if instead else ""))
        self.step = step
        self.problem = problem
        self.instead = instead


class WantsCategory(Refused):
    """A feature that was given as a number, and is a category to the model."""

    def __init__(self, step: str, feature: str, problem: str, instead: str) -> None:
        super().__init__(step, problem, instead)
        self.feature = feature


class NoReasons(Refused):
    """The model itself could be compiled; only reasons cannot be had of it."""
