"""What a loaded model takes: from a request's features to the row that the engine scores.

The manifest says what each feature may be. A feature that is missing, unknown or not as declared is
a problem: nothing is guessed, dropped or filled in. The check of a good row is one call of compiled
code, against a type made from the manifest; only a bad one is read again, slowly, to say what is
wrong with it.

Features that are kept of entities (docs/features.md) come from the service, and from nobody else: a
caller who sends one is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import astuple

from fraud_scorer.artifact.features import Lookup
from fraud_scorer.artifact.manifest import Feature, Manifest, Value, value_problem
from fraud_scorer.problem import INVALID, FieldError, Problem, field_error

Row = tuple[Value, ...]
"""The values of one transaction, in the order of the manifest's features."""


def sent(manifest: Manifest) -> tuple[Feature, ...]:
    """The features that come in a request."""
    return tuple(one for one in manifest.features if one.source == "request")


def example_features(manifest: Manifest) -> dict[str, Value]:
    """What a request about the first golden transaction brings."""
    golden = manifest.golden[0].features
    return {one.name: golden[one.name] for one in sent(manifest)}


class Inputs:
    """The inputs of one model."""

    __slots__ = ("_defaults", "_features", "_model", "_row", "_sent", "_told", "sent")

    def __init__(self, manifest: Manifest) -> None:
        self._features = manifest.features
        self._model = manifest.model
        self._sent = _picking([feature.name for feature in sent(manifest)])
        self._row = _picking([feature.name for feature in manifest.features])
        self._defaults = {
            one.name: one.source.default for one in manifest.features if one.source != "request"
        }
        self._told = [one for one in manifest.features if isinstance(one.source, Lookup)]
        """What others say of an entity may be of any type."""
        self.sent = _struct(sent(manifest))
        """What a good request brings, in the manifest's order: `astuple` makes a row of it. None
        where the names are such that there is no such type."""

    def row(self, given: Mapping[str, Value], kept: Mapping[str, Value] | None = None) -> Row:
        """The row to be scored, of what a request brings and what is kept of its entities (by
        default what is declared for where nothing is known). Raises Problem, naming every feature
        at fault."""
        row = self.check(given)
        return self.completed(given, kept) if self._defaults else row

    def check(self, given: Mapping[str, Value]) -> Row:
        """What a request brings, in the manifest's order. Raises Problem, naming every feature at
        fault."""
        if self.sent is None:
            return self._checked(given)
        try:
            return astuple(msgspec.convert(given, self.sent))
        except msgspec.ValidationError:
            return self._checked(given)

    def whole_row(self, given: Mapping[str, Value]) -> Row:
        """The row of what is given alone, kept features too. Raises Problem."""
        errors = list(_errors(self._features, given))
        errors += self._unknown(given, {feature.name for feature in self._features})
        _raise(errors)
        return self._row(given)

    def completed(self, given: Mapping[str, Value], kept: Mapping[str, Value] | None) -> Row:
        """The same, of what `check` has found to be good already."""
        values = {**given, **(self._defaults if kept is None else kept)}
        for feature in self._told:
            if value_problem(feature, values[feature.name]):
                values[feature.name] = self._defaults[feature.name]
        return self._row(values)

    def _checked(self, given: Mapping[str, Value]) -> Row:
        """What a request brings, looking at each feature by itself."""
        errors = list(_errors(self._features, given, kept=self._defaults))
        errors += self._unknown(given, {feature.name for feature in self._features})
        _raise(errors)
        return self._sent(given)

    def _unknown(self, given: Mapping[str, Value], known: set[str]) -> Iterable[FieldError]:
        return (
            field_error(["features", name], f"is not a feature of model {self._model}")
            for name in given
            if name not in known
        )


def _errors(
    features: Iterable[Feature], given: Mapping[str, Value], kept: Mapping[str, Value] | None = None
) -> Iterable[FieldError]:
    for feature in features:
        name = feature.name
        if kept is not None and name in kept:
            problem = "is kept by the service: leave it out" if name in given else ""
        else:
            problem = value_problem(feature, given[name]) if name in given else "is missing"
        if problem:
            yield field_error(["features", name], problem)


def _raise(errors: list[FieldError]) -> None:
    if errors:
        count = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise Problem(INVALID, f"{errors[0].pointer} {errors[0].detail}{count}", errors)


def _picking(names: list[str]) -> Callable[[Mapping[str, Value]], Row]:
    if not names:
        return lambda given: ()
    if len(names) == 1:  # itemgetter gives a single value bare
        (name,) = names
        return lambda given: (given[name],)
    return itemgetter(*names)


def _struct(features: Iterable[Feature]) -> type[msgspec.Struct] | None:
    fields = [
        (f"f{index}", _type(one), msgspec.field(name=one.name))
        for index, one in enumerate(features)
    ]
    try:
        return msgspec.defstruct("Sent", fields, forbid_unknown_fields=True, gc=False)
    except ValueError:  # a name with a quote, a backslash or a control character
        return None


def _type(feature: Feature) -> Any:
    """What msgspec holds a value of that feature against: exactly what `value_problem` allows."""
    kind: Any = str
    if feature.type == "number":
        low, high = feature.bounds
        kind = Annotated[float, msgspec.Meta(ge=low, le=high)]
    elif feature.categories is not None:
        kind = Literal[feature.categories]
    return kind | None if feature.nullable else kind
