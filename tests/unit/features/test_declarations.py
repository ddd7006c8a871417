"""What a manifest may declare of kept features, and what becomes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.manifest import Feature, Manifest, ManifestError
from fraud_scorer.features.layout import layout
from tests.support.histories import EVERYTHING, number, window

COUNT = {
    "kind": "window",
    "entity": "customer",
    "aggregate": "count",
    "window": "7d",
    "bucket": "1d",
}
MEAN = {**COUNT, "aggregate": "mean", "currency": "EUR"}
RATE = {"kind": "labelRate", "entity": "terminal", "window": "30d", "bucket": "1d", "delay": "7d"}
LOOKUP = {"kind": "lookup", "entity": "customer", "attribute": "segment"}


def manifest(**feature: Any) -> Manifest:
    golden = {"features": {"f": feature.pop("golden", None)}, "score": 0.5}
    document = {
        "schemaVersion": 1, "model": "m", "version": "v1", "createdAt": "2026-01-01T00:00:00Z",
        "framework": {"name": "scikit-learn", "version": "1.9", "python": "3.11"},
        "engine": {"format": "fdm", "version": 1},
        "files": [{"path": "m.fdm", "sha256": "0" * 64, "size": 1, "role": "model"}],
        "features": [{"name": "f", "type": "number", "nullable": True, **feature}],
        "golden": [golden],
    }  # fmt: skip
    return manifests.decode(msgspec.json.encode(document))


@pytest.mark.parametrize(
    "feature",
    [
        {"source": COUNT},
        {"source": {**MEAN, "default": 12.5}, "nullable": False, "golden": 1.0},
        {"source": RATE},
        {"source": {**LOOKUP, "default": "new"}, "type": "category"},
        {"source": {**COUNT, "aggregate": "distinct", "of": "terminal", "most": 10}},
        {"source": "request"},
    ],
)
def test_a_declaration_outlives_writing_and_reading(feature: dict[str, Any]) -> None:
    read = manifest(**feature)

    assert manifests.decode(manifests.encode(read)) == read


@pytest.mark.parametrize(
    ("feature", "problem"),
    [
        ({"source": {**MEAN, "currency": None}}, "mean adds up amounts, so it needs `currency`"),
        ({"source": {**COUNT, "bucket": "30s"}}, "a bucket is at least 60s wide, not 30s"),
        ({"source": {**COUNT, "bucket": "2d"}}, "must be whole buckets of 2d"),
        ({"source": {**COUNT, "window": "91d"}}, "reach back 90d at most"),
        ({"source": {**COUNT, "bucket": "1m"}}, "declare wider ones"),
        ({"source": {**COUNT, "aggregate": "distinct"}}, "distinct needs `of`"),
        ({"source": {**COUNT, "most": 3}}, "only distinct has `of` and `most`"),
        ({"source": {**COUNT, "windw": "1d"}}, "unknown field `windw`"),
        ({"source": {"kind": "windows"}}, "Invalid value 'windows'"),
        ({"source": COUNT, "nullable": False, "golden": 1.0}, "default: must not be null"),
        ({"source": {**COUNT, "default": "x"}}, "default: must be a number"),
        ({"source": COUNT, "type": "category"}, "is a number, but the feature is a category"),
        ({"source": COUNT, "minimum": 0}, "has no minimum, maximum or categories"),
    ],
)
def test_what_cannot_be_kept_is_refused(feature: dict[str, Any], problem: str) -> None:
    with pytest.raises(ManifestError) as refused:
        manifest(**feature)

    assert problem in str(refused.value)
    assert refused.value.field.startswith("$.features")


def test_windows_of_one_width_and_currency_share_a_table() -> None:
    together = [
        number("a", window("count", "1d", "1d", currency="EUR")),
        number("b", window("mean", "7d", "1d")),
        number("c", window("max", "7d", "1d", delay="2d")),
    ]
    ((table,),) = (kind.tables for kind in layout(together).kinds)

    assert table.windows == ((1, 0), (7, 0), (7, 2))
    assert table.keep == 9
    other = number("d", window("sum", "7d", "1d", currency="USD"))
    assert len(layout([*together, other]).kinds[0].tables) == 2


def test_equal_declarations_share_histories_and_others_do_not() -> None:
    request = Feature(name="amount", type="number")

    assert layout([request, *EVERYTHING]).digest == layout(reversed(EVERYTHING)).digest
    assert layout(EVERYTHING[1:]).digest != layout(EVERYTHING).digest


def test_a_model_that_takes_all_from_the_request_keeps_nothing() -> None:
    nothing = layout([Feature(name="amount", type="number")])

    assert (nothing.kinds, nothing.features, nothing.longest) == ((), (), 0)
