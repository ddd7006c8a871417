"""Equal plans are one plan, and a plan that was changed is not taken for the old one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.artifact.plan import (
    Candidate,
    GCSLocation,
    ModelPlan,
    PlanError,
    PlannedModel,
    S3Location,
    StoreLocation,
    VolumeLocation,
    planned,
)

from .conftest import Make

STORE = StoreLocation(s3=S3Location(bucket="fraud-models", prefix="card-payments/"))


@pytest.fixture
def active(make_manifest: Make) -> PlannedModel:
    return planned(make_manifest(), "a" * 64)


@pytest.fixture
def plan(active: PlannedModel) -> ModelPlan:
    return made(active=active)


def made(**parts: object) -> ModelPlan:
    given = {"detector": "card-payments", "store": STORE, "serial": 7, **parts}
    return plans.sealed(ModelPlan(schema_version=2, checksum="", **given))  # type: ignore[arg-type]


def test_a_plan_survives_being_written_and_read(plan: ModelPlan, tmp_path: Path) -> None:
    assert plans.decode(plans.encode(plan)) == plan
    (tmp_path / "plan.json").write_text(plans.encode(plan))
    assert plans.read(tmp_path / "plan.json") == plan


def test_the_revision_never_changes_by_itself(active: PlannedModel) -> None:
    """Were it to change with a release of ours, every upgrade would roll every model out anew."""
    assert active.revision == "cc3d3971d4"


def test_the_revision_is_what_answers_depend_on(make_manifest: Make, active: PlannedModel) -> None:
    elsewhere = planned(make_manifest(), "a" * 64, folder="another-place")
    assert elsewhere.model.path == "another-place/model.fdm"
    assert elsewhere.revision == active.revision
    others = [
        planned(make_manifest(), "b" * 64),
        planned(make_manifest(), "a" * 64, Thresholds(review="0.1", decline="0.2")),
        planned(make_manifest(), "a" * 64, reasons=2),
    ]
    assert len({one.revision for one in (active, *others)}) == 4


def test_files_are_named_from_the_prefix(active: PlannedModel) -> None:
    assert active.manifest.path == "v1/manifest.json"
    assert active.model.path == "v1/model.fdm"


def test_what_a_model_was_compiled_from_is_not_planned(make_manifest: Make) -> None:
    (model,) = make_manifest().files
    source = msgspec.structs.replace(model, path="model.joblib", sha256="0" * 64, role="source")
    found = planned(make_manifest(files=(source, model)), "a" * 64)
    assert found.model.path == "v1/model.fdm"
    assert b"joblib" not in msgspec.json.encode(found)


def test_another_content_has_another_checksum(active: PlannedModel, plan: ModelPlan) -> None:
    others = [
        made(active=active, serial=8),
        made(active=active, detector="other"),
        made(active=active, store=StoreLocation(s3=S3Location(bucket="b"))),
        made(active=active, last_known_good=active),
        made(active=active, candidate=Candidate(model=active, share=100)),
        made(active=active, candidate=Candidate(model=active, shadow=True)),
        made(active=active, when_unavailable="review"),
        made(),
    ]
    assert len({plan.checksum, *(other.checksum for other in others)}) == 9


def test_each_revision_is_held_once(make_manifest: Make, active: PlannedModel) -> None:
    other = planned(make_manifest(), "b" * 64)
    plan = made(active=active, candidate=Candidate(model=other), last_known_good=active)
    assert [one.revision for one in plan.models] == [active.revision, other.revision]


def test_a_shadow_answers_nobody(active: PlannedModel) -> None:
    with pytest.raises(ValueError, match="a shadow answers nobody"):
        Candidate(model=active, share=1, shadow=True)


@pytest.mark.parametrize("kinds", [0, 2, 3])
def test_a_store_is_of_exactly_one_kind(kinds: int) -> None:
    given = [
        ("s3", S3Location(bucket="b")),
        ("gcs", GCSLocation(bucket="b")),
        ("volume", VolumeLocation(url="http://store:8080/claim")),
    ]
    with pytest.raises(ValueError, match="exactly one of s3, gcs and volume"):
        StoreLocation(**dict(given[:kinds]))  # type: ignore[arg-type]


def test_given_thresholds_win(make_manifest: Make) -> None:
    given = Thresholds(review="0.1", decline="0.2")
    assert planned(make_manifest(), "a" * 64, given).thresholds == given
    assert planned(make_manifest(thresholds=None), "a" * 64, given).thresholds == given


def test_without_thresholds_there_is_no_plan(make_manifest: Make) -> None:
    with pytest.raises(PlanError, match=r"set spec\.scoring\.thresholds"):
        planned(make_manifest(thresholds=None), "a" * 64)


def test_a_plan_edited_by_hand_is_refused(plan: ModelPlan) -> None:
    text = plans.encode(plan).replace('"0.9"', '"0.1"').replace('"0.5"', '"0.1"')
    with pytest.raises(PlanError, match="edited by hand"):
        plans.decode(text)


@pytest.mark.parametrize("place", ["active", "last_known_good", "candidate"])
def test_a_plan_whose_digest_is_not_its_files_is_refused(active: PlannedModel, place: str) -> None:
    wrong = msgspec.structs.replace(active, digest="sha256:" + "0" * 64)
    part = Candidate(model=wrong) if place == "candidate" else wrong
    with pytest.raises(PlanError, match="the digest of version v1 is not that of its model"):
        plans.decode(plans.encode(made(**{place: part})))


@pytest.mark.parametrize("text", ["", "{", "{}", "null", '{"schemaVersion": 9}', "[" * 10_000])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="not a model plan"):
        plans.decode(text)


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"cannot read the model plan .*none\.json"):
        plans.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"), [("b", "b", ""), ("b/", "b", ""), ("b/a/c/", "b", "a/c/")]
)
def test_a_store_as_a_url(url: str, bucket: str, prefix: str) -> None:
    assert plans.s3_location(f"s3://{url}") == S3Location(bucket=bucket, prefix=prefix)
    s3 = plans.store_location(f"s3://{url}", region="r", endpoint="http://e")
    assert s3.s3 == S3Location(bucket=bucket, prefix=prefix, region="r", endpoint="http://e")
    gcs = plans.store_location(f"gs://{url}", endpoint="http://e")
    assert gcs.gcs == GCSLocation(bucket=bucket, prefix=prefix, endpoint="http://e")


@pytest.mark.parametrize("url", ["", "b/a", "ftp://b/a", "s3://", "s3:///a", "gs://"])
def test_what_is_no_store(url: str) -> None:
    with pytest.raises(ValueError, match="give s3://bucket/prefix/"):
        plans.s3_location(url)
    with pytest.raises(ValueError, match="give s3://bucket/prefix/ or gs://bucket/prefix/"):
        plans.store_location(url)


def test_a_bucket_at_google_has_no_region_to_be_given() -> None:
    with pytest.raises(ValueError, match="needs no region"):
        plans.store_location("gs://b/", region="eu")
