"""compile_model: a fitted estimator and the features it takes, to the bytes of a `.fdm`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

import fraud_scorer.compile.families  # noqa: F401  registers what can be compiled
from fraud_scorer.compile.builder import Builder, Code, Function, Level, Matrix, Operation
from fraud_scorer.compile.container import assemble
from fraud_scorer.compile.refusal import NoReasons, Refused
from fraud_scorer.compile.registry import find_classifier
from fraud_scorer.compile.rows import plain, rows_of, typical
from fraud_scorer.engine import Exactness, Header, Input, Model, RowError, load
from fraud_scorer.engine.header import Flips, Producer, encode
from fraud_scorer.engine.model import Value

_LEVELS: dict[Level, Exactness] = {
    Level.EXACT: "exact",
    Level.ROUNDED: "rounded",
    Level.BOUNDED: "bounded",
}
_SAME_SCORE = 1e-9


class FeatureSpec(Protocol):
    """One input; the features of a model's manifest are such."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> Literal["number", "category"]: ...
    @property
    def nullable(self) -> bool: ...


def compile_model(
    estimator: Any,
    features: Sequence[FeatureSpec],
    *,
    positive: Any = None,
    reference: Any = None,
    reference_row: Sequence[Value] | None = None,
    accept_inexact: bool = False,
) -> bytes:
    """The flat model of a fitted binary classifier (or IsolationForest).

    `features` are its inputs, matched by name where it was fitted on a DataFrame, else by position.
    `positive` is the class whose probability is the score; by default the second of `classes_`.
    `reference` are rows (DataFrame, array, or list in the order of `features`) of ordinary
    transactions, up to 10,000 used: linear models give reasons against their mean, trees against
    `reference_row`, which is their typical row unless given. Without them there are no reasons.
    `accept_inexact` lets an inexact function stand before a threshold and measures on `reference`
    how many scores it changes (`Header.flips`).

    Raises Refused, naming the step, for what cannot be compiled.
    """
    order = _order(estimator, features)
    inputs = [Input(name=f.name, type=f.type, nullable=f.nullable) for f in features]
    builder = Builder(inputs, accept_inexact=accept_inexact)
    which, positive_name = _which(estimator, positive)
    with builder.step("model", estimator):
        found = find_classifier(builder.path, estimator)
        score = found.proba(builder, estimator, Matrix(tuple(order)), which)
    explained, unit = _explained(builder, estimator, score)
    level = builder.slots[score].level if not builder.inexact_thresholds else Level.BOUNDED
    header = Header(
        format="fdm",
        producer=_producer(estimator),
        inputs=tuple(
            Input(name=f.name, type=f.type, nullable=f.nullable, categories=tuple(codes))
            for f, codes in zip(features, builder.categories, strict=True)
        ),
        steps=tuple(builder.steps),
        positive_class=positive_name,
        exactness=_LEVELS[level],
        explained=unit,
        trees=builder.trees,
        nodes=builder.nodes,
    )
    plain_model = _write(builder, header, score, explained, ())
    if reference is None and reference_row is None:
        if builder.inexact_thresholds:
            raise Refused(
                "model", "accept_inexact has nothing to measure on", "give reference rows"
            )
        return plain_model
    rows = [] if reference is None else rows_of(reference, features)
    model = load(plain_model)
    if builder.inexact_thresholds:
        header = _with_flips(header, estimator, model, rows, which, order)
    row = typical(rows, features) if reference_row is None else tuple(map(plain, reference_row))
    _require_reasons(builder, explained)
    _set_means(builder, model, [*rows] or [row])
    return _write(builder, header, score, explained, _as_numbers(model, row))


def _order(estimator: Any, features: Sequence[FeatureSpec]) -> list[int]:
    """For each column that the estimator was fitted on, the number of the feature."""
    names = [f.name for f in features]
    if not names or len(set(names)) != len(names):
        raise Refused("features", "must be named, each differently, and at least one")
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is None:
        count = getattr(estimator, "n_features_in_", len(names))
        if count != len(names):
            raise Refused(
                "features", f"{len(names)} given; the model was fitted on {count} columns"
            )
        return list(range(len(names)))
    missing = [str(name) for name in fitted if name not in names]
    extra = [name for name in names if name not in set(fitted)]
    if missing or extra:
        raise Refused(
            "features",
            f"do not match the fitted columns: missing {missing}, unknown {extra}",
        )
    return [names.index(name) for name in fitted]


def _which(estimator: Any, positive: Any) -> tuple[int, str]:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return 1, "anomaly"
    if len(classes) != 2:
        raise Refused("model", f"it has {len(classes)} classes", "fit it on two: fraud and not")
    if positive is None:
        return 1, str(classes[1])
    matches = [i for i, one in enumerate(classes) if one == positive]
    if not matches:
        raise Refused("positive", f"{positive!r} is not among the classes {list(classes)}")
    return matches[0], str(classes[matches[0]])


def _producer(estimator: Any) -> Producer:
    package = type(estimator).__module__.partition(".")[0]
    distribution = {"sklearn": "scikit-learn"}.get(package, package)
    return Producer(
        name="fraudops",
        version=_version("fraudops"),
        framework=distribution,
        framework_version=_version(distribution),
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


# ---- reasons ----


def _explained(
    builder: Builder, estimator: Any, score: int
) -> tuple[int, Literal["probability", "log-odds", "anomaly"]]:
    """Reasons add up to the log-odds where the score is nothing but their expit."""
    if not hasattr(estimator, "classes_"):
        return score, "anomaly"
    last = _maker(builder, score)
    if last is None:
        return score, "probability"
    if last.code is Code.RSUB:  # 1 - expit(m) has the log-odds -m
        before = _maker(builder, last.sources[0])
        if before is not None and _is_expit(before):
            return builder.scalar(Code.MUL, before.sources[0], -1.0), "log-odds"
    if _is_expit(last):
        return last.sources[0], "log-odds"
    return score, "probability"


def _is_expit(operation: Operation) -> bool:
    return operation.code is Code.FUNCTION and operation.flags == Function.EXPIT


def _maker(builder: Builder, slot: int) -> Operation | None:
    made = [op for op in builder.operations if op.dst <= slot and op.code is not Code.CHECK]
    return made[-1] if made else None


def _models(builder: Builder) -> list[Operation]:
    return [op for op in builder.operations if op.code in {Code.LINEAR, Code.TREES8, Code.TREES16}]


def _require_reasons(builder: Builder, explained: int) -> None:
    for operation in _models(builder):
        if any(builder.slots[s].owner is None for s in operation.sources):
            raise NoReasons(
                "reference",
                "no reasons for a model over columns made of several inputs (PolynomialFeatures)",
                "compile without reference rows, or leave that step out",
            )


def _set_means(builder: Builder, model: Model, rows: Sequence[Sequence[Value]]) -> None:
    """Give each linear operation the means of its columns over the reference rows."""
    linear = [op for op in builder.operations if op.code is Code.LINEAR]
    if not linear:
        return
    traces = []
    for row in rows:
        try:
            traces.append(model.trace(row))
        except RowError:
            continue
    if not traces:
        raise Refused("reference", "the model refuses every one of these rows")
    means = np.mean(np.array(traces), axis=0)
    for operation in linear:
        section = builder.sections.add(means[list(operation.sources)].astype("<f8"))
        operation.sections = (*operation.sections[:2], section)


def _as_numbers(model: Model, row: Sequence[Value]) -> tuple[float, ...]:
    """The reference row as the program's first slots hold it."""
    try:
        return tuple(model.trace(row)[: len(model.inputs)])
    except RowError as error:
        raise Refused("reference_row", f"the model refuses it: {error}") from None


# ---- flips ----


def _with_flips(
    header: Header,
    estimator: Any,
    model: Model,
    rows: Sequence[Sequence[Value]],
    which: int,
    order: Sequence[int],
) -> Header:
    """Scores of the reference rows by scikit-learn and by the engine, compared."""
    accepted, ours = [], []
    for row in rows:
        try:
            ours.append(model.score_one(row))
        except RowError:
            continue
        accepted.append([row[i] for i in order])
    if not accepted:
        raise Refused("reference", "the model refuses every one of these rows")
    table = np.array(accepted, dtype=object)
    numeric = all(one.type == "number" for one in model.inputs)
    theirs = estimator.predict_proba(_frame(estimator, table.astype(float) if numeric else table))
    flipped = int((np.abs(theirs[:, which] - np.array(ours)) > _SAME_SCORE).sum())
    return _replace(header, Flips(rows=len(accepted), flipped=flipped))


def _frame(estimator: Any, table: NDArray[Any]) -> Any:
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return table
    import pandas  # an estimator with names was fitted on a DataFrame, so it is there

    return pandas.DataFrame(table, columns=names).infer_objects()


def _replace(header: Header, flips: Flips) -> Header:
    fields = {name: getattr(header, name) for name in header.__struct_fields__}
    return Header(**{**fields, "flips": flips})


# ---- writing ----


def _write(
    builder: Builder, header: Header, score: int, explained: int, reference: Sequence[float]
) -> bytes:
    meta = np.array([len(builder.inputs), len(builder.slots), score, explained], dtype="<u4")
    first = [meta, builder.records(), builder.owners(), np.array(reference, dtype="<f8")]
    return assemble(encode(header), first + builder.sections.arrays)
