"""What a loaded model takes: from a request's features to the row that the engine scores.

The manifest says what each feature may be. A feature that is missing, unknown or not as declared is
a problem: nothing is guessed, dropped or filled in. The check of a good row is one call of compiled
code, against a type made from the manifest; only a bad one is read again, slowly, to say what is
wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec

from fraud_scorer.artifact.manifest import Feature, Manifest, Value, value_problem
from fraud_scorer.problem import INVALID, Problem, field_error

Row = tuple[Value, ...]
"""The values of one transaction, in the order of the manifest's features."""


class Inputs:
    """The inputs of one model."""

    __slots__ = ("_features", "_length", "_model", "_row", "_type")

    def __init__(self, manifest: Manifest) -> None:
        self._features = manifest.features
        self._length = len(manifest.features)
        self._model = manifest.model
        self._row = _picking([feature.name for feature in manifest.features])
        self._type = msgspec.defstruct(
            "Row",
            [(f"f{index}", _type(one)) for index, one in enumerate(manifest.features)],
            array_like=True,
            gc=False,
        )

    def row(self, given: Mapping[str, Value]) -> Row:
        """The row to be scored. Raises Problem, naming every feature at fault."""
        try:
            row = self._row(given)
            msgspec.convert(row, self._type)
        except (KeyError, msgspec.ValidationError):
            return self._checked(given)
        return row if len(given) == self._length else self._checked(given)

    def _checked(self, given: Mapping[str, Value]) -> Row:
        """The same, looking at each feature by itself."""
        errors = []
        for feature in self._features:
            problem = (
                value_problem(feature, given[feature.name])
                if feature.name in given
                else "is missing"
            )
            if problem:
                errors.append(field_error(["features", feature.name], problem))
        known = {feature.name for feature in self._features}
        errors += [
            field_error(["features", name], f"is not a feature of model {self._model}")
            for name in given
            if name not in known
        ]
        if errors:
            count = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise Problem(INVALID, f"{errors[0].pointer} {errors[0].detail}{count}", errors)
        return self._row(given)


def _picking(names: list[str]) -> Callable[[Mapping[str, Value]], Row]:
    if len(names) == 1:  # itemgetter gives a single value bare
        (name,) = names
        return lambda given: (given[name],)
    return itemgetter(*names)


def _type(feature: Feature) -> Any:
    """What msgspec holds a value of that feature against: exactly what `value_problem` allows."""
    kind: Any = str
    if feature.type == "number":
        low, high = feature.bounds
        kind = Annotated[float, msgspec.Meta(ge=low, le=high)]
    elif feature.categories is not None:
        kind = Literal[feature.categories]
    return kind | None if feature.nullable else kind
