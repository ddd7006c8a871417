"""A manifest that a scorer could not act upon is refused, and the error names the field."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.manifest import Bins, ManifestError, Reference, version_key

from .conftest import MODEL_BYTES, Make


def test_it_survives_being_written_and_read(make_manifest: Make) -> None:
    manifest = make_manifest(
        metrics={"auc": 0.87},
        reference=Reference(
            features={"amount": Bins(edges=(0.0, 1.0, 9.0), shares=(0.25, 0.75))},
            score=Bins(edges=(0.0, 1.0), shares=(1.0,)),
        ),
    )
    assert manifests.decode(manifests.encode(manifest)) == manifest


def test_equal_manifests_are_equal_bytes(make_manifest: Make) -> None:
    assert manifests.encode(make_manifest()) == manifests.encode(make_manifest())


def test_the_digest_is_that_of_the_model_file(make_manifest: Make) -> None:
    import hashlib

    assert make_manifest().digest == "sha256:" + hashlib.sha256(MODEL_BYTES).hexdigest()


def _changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *way, last = path.split(".")
    at: Any = document
    for step in way:
        at = at[int(step)] if step.isdigit() else at[step]
    if value is ...:
        del at[last]
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("schemaVersion", 2, "$.schemaVersion"),
        ("model", "", "$.model"),
        ("model", ..., "$"),
        ("surplus", 1, "$"),
        ("version", "../v1", "$.version"),
        ("version", "v1\n", "$.version"),
        ("version", "a" * 64, "$.version"),
        ("createdAt", "2026-01-01T00:00:00", "$.createdAt"),
        ("createdAt", "yesterday", "$.createdAt"),
        ("framework.name", "tensorflow", "$.framework.name"),
        ("framework.version", ..., "$.framework"),
        ("engine", ..., "$.engine"),
        ("engine.format", "onnx", "$.engine.format"),
        ("engine.version", 0, "$.engine.version"),
        ("files", [], "$.files"),
        ("files.0.path", "/etc/passwd", "$.files[0].path"),
        ("files.0.path", "a/../../b", "$.files[0].path"),
        ("files.0.path", "manifest.json", "$.files[0].path"),
        ("files.0.sha256", "abc", "$.files[0].sha256"),
        ("files.0.sha256", "A" * 64, "$.files[0].sha256"),
        ("files.0.size", 0, "$.files[0].size"),
        ("files.0.size", "9", "$.files[0].size"),
        ("files.0.role", "readme", "$.files[0].role"),
        ("features", [], "$.features"),
        ("features.1.name", "amount", "$.features[1].name"),
        ("features.0.type", "text", "$.features[0].type"),
        ("features.0.minimum", 2000, "$.features[0].minimum"),
        ("features.0.maximum", 1e39, "$.features[0].minimum"),
        ("features.0.categories", ["a"], "$.features[0].categories"),
        ("features.2.minimum", 1, "$.features[2]"),
        ("features.0.source", "window", "$.features[0].source"),
        ("features.0.reason", "two words", "$.features[0].reason"),
        ("reasons", {"amount": ""}, "$.reasons[...]"),
        ("reasons", {"colour": "It is red"}, "$.reasons.colour"),
        ("golden", [], "$.golden"),
        ("golden.0.score", 1.5, "$.golden[0].score"),
        ("golden.0.features.amount", ..., "$.golden[0].features"),
        ("golden.0.features.other", 1, "$.golden[0].features.other"),
        ("golden.0.features.amount", None, "$.golden[0].features.amount"),
        ("golden.0.features.amount", "9.5", "$.golden[0].features.amount"),
        ("golden.0.features.amount", -1, "$.golden[0].features.amount"),
        ("golden.0.features.amount", 1001, "$.golden[0].features.amount"),
        ("golden.0.features.channel", 5, "$.golden[0].features.channel"),
        ("golden.0.features.channel", "post", "$.golden[0].features.channel"),
        ("thresholds.review", "0.95", "$.thresholds"),
        ("thresholds.review", "half", "$.thresholds"),
        ("thresholds.decline", "1.01", "$.thresholds"),
        ("thresholds.decline", "NaN", "$.thresholds"),
        ("thresholds.decline", 0.9, "$.thresholds.decline"),
        ("metrics", {"auc": "high"}, "$.metrics[...]"),
        (
            "reference",
            {"features": {}, "score": {"edges": [0, 1], "shares": [0.5]}},
            "$.reference.score",
        ),
        (
            "reference",
            {"features": {}, "score": {"edges": [1, 0], "shares": [1]}},
            "$.reference.score",
        ),
        (
            "reference",
            {
                "features": {"channel": {"edges": [0, 1], "shares": [1]}},
                "score": {"edges": [0, 1], "shares": [1]},
            },
            "$.reference.features.channel",
        ),
    ],
)
def test_each_field_is_checked(make_manifest: Make, path: str, value: object, field: str) -> None:
    document = _changed(json.loads(manifests.encode(make_manifest())), path, value)
    with pytest.raises(ManifestError) as caught:
        manifests.decode(json.dumps(document).encode())
    assert caught.value.field == field
    assert caught.value.problem


@pytest.mark.parametrize(
    "changes", [{"files.0.role": "source"}, {"files.0.path": "model.joblib", "engine": ...}]
)
def test_a_version_that_was_never_compiled_is_told_how(
    make_manifest: Make, changes: dict[str, object]
) -> None:
    document = json.loads(manifests.encode(make_manifest()))
    for path, value in changes.items():
        document = _changed(document, path, value)
    with pytest.raises(
        ManifestError, match="compiled models are served, which `fraud-scorer publish` makes"
    ):
        manifests.decode(json.dumps(document).encode())


def test_what_it_was_compiled_from_lies_beside_it(make_manifest: Make) -> None:
    (model,) = make_manifest().files
    source = msgspec.structs.replace(model, path="model.joblib", sha256="0" * 64, role="source")
    manifest = make_manifest(files=(source, model))
    assert manifests.decode(manifests.encode(manifest)).model_file == model


def test_a_reason_is_named_after_its_feature_unless_told_otherwise(make_manifest: Make) -> None:
    amount, age, channel = make_manifest().features
    named = msgspec.structs.replace(amount, reason="R01")
    manifest = make_manifest(features=(named, age, channel), reasons={"R01": "Large", "age": "Old"})
    assert [one.reason_code for one in manifest.features] == ["R01", "age", "channel"]
    assert manifests.decode(manifests.encode(manifest)).reasons["R01"] == "Large"


def test_two_model_files_are_one_too_many(make_manifest: Make) -> None:
    document = json.loads(manifests.encode(make_manifest()))
    document["files"].append({**document["files"][0], "path": "second.joblib"})
    with pytest.raises(ManifestError, match=r"\$\.files: 2 files have the role model"):
        manifests.decode(json.dumps(document).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"null", b"[]", b"\xff\xfe", b'"x"', b"[" * 10_000, b"{}" * 2]
)
def test_what_is_no_manifest_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError, match=r"^\$: "):
        manifests.decode(data)


def test_a_manifest_has_a_largest_size() -> None:
    with pytest.raises(ManifestError, match="at most"):
        manifests.decode(b" " * (manifests.MAX_BYTES + 1))


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_manifest_or_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        manifests.decode(data)


versions = st.from_regex(manifests.VERSION_PATTERN, fullmatch=True)


@settings(deadline=None)
@given(versions, versions)
def test_any_two_versions_have_an_order(one: str, other: str) -> None:
    assert (one == other) == (version_key(one) == version_key(other))
    assert sorted([one, other], key=version_key) == sorted([other, one], key=version_key)
