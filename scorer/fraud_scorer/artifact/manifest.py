"""The manifest of one model version: what it holds, what it expects, how it proves itself.

`decode` is the only way from bytes to a `Manifest`, and it refuses whatever a scorer could not act
upon, naming the field. A manifest is data: it is never changed after it was written, and nothing in
it is code. docs/scorer.md describes every field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from fraud_scorer.artifact import features as declared
from fraud_scorer.artifact.digest import qualified

FILE_NAME = "manifest.json"
MAX_BYTES = 1 << 20
"""A manifest larger than this is refused unread: it is a description, not the place for data."""

VERSION_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
"""A version is a folder's name in the store and a label's value in the cluster."""

_PATH_PATTERN = r"^\.?[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*(?!\n)$"

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
RelativePath = Annotated[str, Meta(pattern=_PATH_PATTERN, max_length=255)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
ReasonCode = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?!\n)$")]
ReasonText = Annotated[str, Meta(min_length=1, max_length=500)]
MAX_NUMBER = 3.4028234663852886e38
"""The greatest float32: trees compare such, and a greater number would be infinite to them."""

_COMPILE = (
    "only compiled models are served, which `fraud-scorer publish` makes where they were trained"
)

Label = Literal["fraud", "genuine"]

Value = float | str | None
"""What one feature of one transaction can be."""


class ManifestError(ValueError):
    """A manifest that cannot be used; `field` is the JSON path of what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Strict(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Of a manifest or a plan: an unknown key is an error, as it would otherwise be ignored."""


class FileRef(Strict, frozen=True):
    """One file. `path` is relative to the version's folder; in a plan, to the store's prefix."""

    path: RelativePath
    sha256: Sha256
    size: Annotated[int, Meta(ge=1)]
    role: Literal["model", "source"]
    """`model` is the compiled model, which scorers fetch. `source` is what it was compiled from: it
    is code, kept for people and for compiling anew, and no scorer ever fetches it."""


class Framework(Strict, frozen=True):
    """What the model was trained and compiled with; a scorer has none of it."""

    name: Literal["scikit-learn", "lightgbm", "xgboost"]
    version: Name
    python: Name


class Engine(Strict, frozen=True):
    """What a scorer's engine must be able to read: docs/fdm.md."""

    format: Literal["fdm"]
    version: Annotated[int, Meta(ge=1)]


class Feature(Strict, frozen=True):
    """One input of the model, in the order in which the model takes them.

    `minimum` and `maximum` are limits of a number: a value beyond them is refused, not clipped.
    `categories`, where given, are all the strings a category may be. `source` is the request, or a
    declaration of what is kept of an entity. `reason` is the code by which answers name it as a
    reason; by default its name.
    """

    name: Name
    type: Literal["number", "category"]
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: Annotated[tuple[str, ...], Meta(min_length=1, max_length=10_000)] | None = None
    source: declared.Source = "request"
    reason: ReasonCode | None = None

    @property
    def reason_code(self) -> str:
        """The code by which answers name it as a reason."""
        return self.reason or self.name

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest number that it can be."""
        low = -MAX_NUMBER if self.minimum is None else self.minimum
        high = MAX_NUMBER if self.maximum is None else self.maximum
        return low, high


class Thresholds(Strict, frozen=True):
    """Decimal strings: at `decline` and above a transaction is declined, at `review` reviewed."""

    review: str
    decline: str

    def __post_init__(self) -> None:
        for name in ("review", "decline"):
            _fraction(name, getattr(self, name))
        if Decimal(self.review) > Decimal(self.decline):
            raise ValueError(f"review {self.review} is above decline {self.decline}")


class Bins(Strict, frozen=True):
    """A distribution: `shares[i]` of the values lie from `edges[i]` to below `edges[i+1]`."""

    edges: Annotated[tuple[float, ...], Meta(min_length=2, max_length=1000)]
    shares: Annotated[tuple[float, ...], Meta(min_length=1, max_length=999)]

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.edges) - 1:
            raise ValueError(f"{len(self.edges)} edges need {len(self.edges) - 1} shares")
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must rise")
        if any(share < 0 for share in self.shares) or not 0.999 < sum(self.shares) < 1.001:
            raise ValueError("shares must not be negative, and sum to 1")


class Reference(Strict, frozen=True):
    """How numeric features and the score were distributed where the model was trained."""

    features: dict[str, Bins]
    score: Bins


class Golden(Strict, frozen=True):
    """A transaction whose score is known: a process that computes another must not serve."""

    features: dict[str, Value]
    score: Annotated[float, Meta(ge=0, le=1)]
    label: Label | None = None
    """What it turned out to be, where that is known: precision and recall are counted over it."""


class Manifest(Strict, frozen=True):
    """One version of a model."""

    schema_version: Literal[1]
    model: Name
    version: str
    created_at: Annotated[datetime, Meta(tz=True)]
    framework: Framework
    engine: Engine
    files: Annotated[tuple[FileRef, ...], Meta(min_length=1, max_length=100)]
    features: Annotated[tuple[Feature, ...], Meta(min_length=1, max_length=2000)]
    golden: Annotated[tuple[Golden, ...], Meta(min_length=1, max_length=1000)]
    thresholds: Thresholds | None = None
    reference: Reference | None = None
    metrics: dict[str, float] = {}
    reasons: dict[str, ReasonText] = {}
    """What each reason code means, in words for people."""

    @property
    def model_file(self) -> FileRef:
        """The file that holds the compiled model: all that a scorer fetches beside the manifest."""
        return next(file for file in self.files if file.role == "model")

    @property
    def digest(self) -> str:
        """The identity of the version's content: `sha256:` and the digest of the model file."""
        return qualified(self.model_file.sha256)


def decode(data: bytes) -> Manifest:
    """The manifest in `data`.

    Raises ManifestError, naming the field, for anything that a scorer could not act upon.
    """
    if len(data) > MAX_BYTES:
        raise ManifestError("$", f"{len(data)} bytes; a manifest has at most {MAX_BYTES}")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError as error:
        raise _located(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError("$", f"not JSON: {error}") from None
    check(manifest)
    return manifest


def decode_version(version: str, data: bytes) -> Manifest:
    """The manifest in `data`, which lies in that version's folder.

    Raises ManifestError as `decode` does, and for the manifest of another version.
    """
    manifest = decode(data)
    if manifest.version != version:
        raise ManifestError(
            "$.version", f"is {manifest.version!r}, but the manifest lies in the folder {version!r}"
        )
    return manifest


def encode(manifest: Manifest) -> bytes:
    """The manifest as it is stored: for people to read, its digest fixed by these very bytes.

    Raises ManifestError where `decode` would.
    """
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    decode(data)
    return data


def check(manifest: Manifest) -> None:
    """Raise ManifestError where fields contradict one another."""
    check_version(manifest.version)
    _check_files(manifest.files)
    _check_features(manifest.features)
    codes = {feature.reason_code for feature in manifest.features}
    for code in manifest.reasons:
        if code not in codes:
            raise ManifestError(f"$.reasons.{code}", "is not the reason of any of $.features")
    known = {feature.name: feature for feature in manifest.features}
    for index, golden in enumerate(manifest.golden):
        _check_golden(f"$.golden[{index}]", golden, known)
    if manifest.reference is not None:
        for name in manifest.reference.features:
            if name not in known or known[name].type != "number":
                raise ManifestError(
                    f"$.reference.features.{name}", "is not a number among $.features"
                )


def is_version(name: str) -> bool:
    """Whether a version can be named so."""
    return re.fullmatch(VERSION_PATTERN, name) is not None


def check_version(version: str) -> None:
    """Raise ManifestError where a version cannot be named so."""
    if not is_version(version):
        raise ManifestError(
            "$.version",
            f"{version!r} is not a version: up to 63 letters, digits, dots, underscores and"
            " hyphens, with a letter or digit at both ends",
        )


def versions_among(names: Iterable[str]) -> list[str]:
    """The names that versions can have, in the order in which people count."""
    return sorted(filter(is_version, names), key=version_key)


def version_key(version: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A key that sorts versions the way people count, v9 before v10; no two have the same."""
    parts = re.findall(r"\d+|\D+", version)
    counted = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
    return counted, version


def _fraction(field: str, text: str) -> None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 <= value <= 1):
        raise ValueError(f"{field} must be a decimal string from 0 to 1, not {text!r}")


def _check_files(files: tuple[FileRef, ...]) -> None:
    seen: set[str] = set()
    for index, file in enumerate(files):
        at = f"$.files[{index}].path"
        if file.path == FILE_NAME:
            raise ManifestError(at, "the manifest does not name itself")
        if file.path in seen:
            raise ManifestError(at, f"{file.path!r} is named twice")
        seen.add(file.path)
    models = sum(file.role == "model" for file in files)
    if models == 0:
        raise ManifestError("$.files", f"none has the role model: {_COMPILE}")
    if models > 1:
        raise ManifestError("$.files", f"{models} files have the role model; exactly one must")


def _check_features(features: tuple[Feature, ...]) -> None:
    seen: set[str] = set()
    for index, feature in enumerate(features):
        at = f"$.features[{index}]"
        if feature.name in seen:
            raise ManifestError(f"{at}.name", f"{feature.name!r} is named twice")
        seen.add(feature.name)
        if feature.type == "category" and (feature.minimum, feature.maximum) != (None, None):
            raise ManifestError(at, "a category has neither minimum nor maximum")
        if feature.type == "number" and feature.categories is not None:
            raise ManifestError(f"{at}.categories", "a number has no categories")
        if feature.source != "request":
            _check_source(at, feature, feature.source)
        low, high = feature.bounds
        if not -MAX_NUMBER <= low <= high <= MAX_NUMBER:
            raise ManifestError(
                f"{at}.minimum", f"{low:g} to {high:g} is not a range of float32 numbers"
            )


def _check_source(at: str, feature: Feature, source: declared.Kept) -> None:
    if feature.type == "category" and not isinstance(source, declared.Lookup):
        raise ManifestError(f"{at}.source", "is a number, but the feature is a category")
    if problem := value_problem(feature, source.default):
        raise ManifestError(f"{at}.source.default", problem)
    if (feature.minimum, feature.maximum, feature.categories) != (None, None, None):
        raise ManifestError(
            at,
            "a feature that is not the request's has no minimum, maximum or categories: the caller"
            " could not do anything about a value beyond them",
        )


def _check_golden(at: str, golden: Golden, known: dict[str, Feature]) -> None:
    for name in known.keys() - golden.features.keys():
        raise ManifestError(f"{at}.features", f"{name!r} is missing")
    for name, value in golden.features.items():
        if name not in known:
            raise ManifestError(f"{at}.features.{name}", "is not among $.features")
        if problem := value_problem(known[name], value):
            raise ManifestError(f"{at}.features.{name}", problem)


def value_problem(feature: Feature, value: Value) -> str:
    """Why `value` cannot be that feature's, or an empty string where it can."""
    if value is None:
        return "" if feature.nullable else "must not be null"
    if feature.type == "number":
        if not isinstance(value, float | int) or isinstance(value, bool):
            return "must be a number"
        if not math.isfinite(value):
            return "must be a finite number"
        low, high = feature.bounds
        if value < low:
            return f"must be at least {low:g}"
        if value > high:
            return f"must be at most {high:g}"
        return ""
    if not isinstance(value, str):
        return "must be a string (it is a category)"
    if feature.categories is not None and value not in feature.categories:
        return "is not one of the model's categories for this feature"
    return ""


def _located(error: msgspec.ValidationError) -> ManifestError:
    """Split msgspec's "what - at `$.where`" into its two parts."""
    if str(error) == "Object missing required field `engine`":
        return ManifestError("$.engine", f"is missing: {_COMPILE}")
    problem, _, where = str(error).rpartition(" - at `")
    return ManifestError(where.rstrip("`"), problem) if problem else ManifestError("$", str(error))
