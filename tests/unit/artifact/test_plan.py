"""Equal plans are one plan, and a plan that was changed is not taken for the old one."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.digest import canonical_json, sha256_hex
from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.artifact.plan import ModelPlan, PlanError, S3Location, StoreLocation, planned

from .conftest import Make

STORE = StoreLocation(s3=S3Location(bucket="fraud-models", prefix="card-payments/"))


@pytest.fixture
def plan(make_manifest: Make) -> ModelPlan:
    return plans.make_plan("card-payments", STORE, planned(make_manifest(), "a" * 64))


def test_a_plan_survives_being_written_and_read(plan: ModelPlan, tmp_path: Path) -> None:
    assert plans.decode(plans.encode(plan)) == plan
    (tmp_path / "plan.json").write_text(plans.encode(plan))
    assert plans.read(tmp_path / "plan.json") == plan


def test_the_revision_never_changes_by_itself(plan: ModelPlan) -> None:
    """Were it to change with a release of ours, every upgrade would restart every pod."""
    assert plan.revision == "448944f168"


def test_files_are_named_from_the_prefix(plan: ModelPlan) -> None:
    assert plan.active.manifest.path == "v1/manifest.json"
    assert plan.active.model.path == "v1/model.fdm"


def test_what_a_model_was_compiled_from_is_not_planned(make_manifest: Make) -> None:
    (model,) = make_manifest().files
    source = msgspec.structs.replace(model, path="model.joblib", sha256="0" * 64, role="source")
    found = planned(make_manifest(files=(source, model)), "a" * 64)
    assert found.model.path == "v1/model.fdm"
    assert b"joblib" not in msgspec.json.encode(found)


def test_another_content_is_another_revision(make_manifest: Make, plan: ModelPlan) -> None:
    stricter = planned(make_manifest(), "a" * 64, Thresholds(review="0.1", decline="0.2"))
    others = [
        plans.make_plan("other", STORE, plan.active),
        plans.make_plan("card-payments", StoreLocation(s3=S3Location(bucket="b")), plan.active),
        plans.make_plan("card-payments", STORE, planned(make_manifest(), "b" * 64)),
        plans.make_plan("card-payments", STORE, stricter),
        plans.make_plan("card-payments", STORE, planned(make_manifest(), "a" * 64, reasons=2)),
    ]
    assert len({plan.revision, *(other.revision for other in others)}) == 6


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


def test_a_plan_whose_digest_is_not_its_files_is_refused(plan: ModelPlan) -> None:
    document = json.loads(plans.encode(plan))
    document["active"]["digest"] = "sha256:" + "0" * 64
    del document["revision"]
    document["revision"] = sha256_hex(canonical_json(document))[:10]
    with pytest.raises(PlanError, match=r"active\.digest"):
        plans.decode(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "{}", "null", '{"schemaVersion": 9}', "[" * 10_000])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="not a model plan"):
        plans.decode(text)


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"cannot read the model plan .*none\.json"):
        plans.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [("s3://b", "b", ""), ("s3://b/", "b", ""), ("s3://b/a/c/", "b", "a/c/")],
)
def test_a_store_as_a_url(url: str, bucket: str, prefix: str) -> None:
    assert plans.s3_location(url) == S3Location(bucket=bucket, prefix=prefix)


@pytest.mark.parametrize("url", ["", "b/a", "gs://b/a", "s3://", "s3:///a"])
def test_what_is_no_store(url: str) -> None:
    with pytest.raises(ValueError, match="give s3://bucket/prefix/"):
        plans.s3_location(url)
