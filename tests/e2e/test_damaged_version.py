"""A version whose bytes are not what was published: what served before goes on serving."""

import gzip
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from examples.demo.damage import publish_damaged
from examples.demo.live import Stream
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.publish import publish
from tests.cluster import images
from tests.e2e.bed import Bed, wait_for

pytestmark = pytest.mark.node


@pytest.fixture
def transactions(tmp_path: Path) -> Path:
    """A few transactions as the stream reads them."""
    path = tmp_path / "transactions.jsonl.gz"
    with gzip.open(path, "wt") as file:
        for number in range(50):
            envelope = {
                "transaction_id": str(number),
                "event_time": "2026-01-01T12:00:00Z",
                "entities": {"customer": "c1"},
                "amount_minor": 100 * number,
                "currency": "EUR",
                "features": {"amount": float(number), "night": number % 2},
            }
            file.write(json.dumps({"transaction": envelope, "fraud": False}) + "\n")
    return path


def test_damage_is_named_and_nobody_notices(bed: Bed, transactions: Path, tmp_path: Path) -> None:
    good = bed.publish("damaged", "v1")
    bed.apply("damaged")
    bed.wait_ready("damaged")
    before = {pod["metadata"]["uid"] for pod in bed.pods("damaged")}

    stream = Stream(bed.cluster, bed.namespace, images.tag_of("scorer"))
    stream.start("http://damaged-scorer", transactions, 100)
    v2 = bed.publish("damaged", "v2", seed=1, to=DirectoryStore(tmp_path))
    publish_damaged(tmp_path / "v2", bed.store("damaged"))
    bed.kubectl(
        *("wait", "--for=condition=ModelVerified=False", "frauddetector/damaged"),
        "--timeout=120s",
    )
    verified = bed.condition("damaged", "ModelVerified")
    assert verified["reason"] == "DigestMismatch"
    for fact in ("v2/model.fdm", v2.digest.removeprefix("sha256:")[:12], "publish"):
        assert fact in verified["message"]

    bed.wait_ready("damaged")
    wait_for(
        "only the old pods are left",
        lambda: {pod["metadata"]["uid"] for pod in bed.pods("damaged")} == before,
    )
    summary = stream.stop()
    assert summary["failed"] == 0
    assert set(summary["versions"]) == {"v1"}
    assert summary["answered"] > 20
    status = bed.detector("damaged")["status"]["model"]
    assert status["activeDigest"] == good.digest
    assert [(entry["version"], entry["scope"]) for entry in status["quarantined"]] == [
        ("v2", "Publication")
    ]


def test_the_same_model_published_whole_is_served(bed: Bed) -> None:
    bed.publish("damaged", "v3", seed=1)
    bed.wait_active("damaged", "v3")
    assert bed.score("damaged", "t", {"amount": 1.0, "night": 0})["model"]["version"] == "v3"


def test_bytes_that_compute_something_else_are_refused_under_every_name(
    bed: Bed, tmp_path: Path
) -> None:
    bed.publish("damaged", "v4", seed=2, to=DirectoryStore(tmp_path))
    for version in ("v4", "v5"):
        _publish_with_other_golden_scores(bed, tmp_path / "v4", version)
        wait_for(
            f"{version} is refused",
            lambda version=version: (
                f"Version {version} was refused"  # type: ignore[misc]
                in bed.condition("damaged", "ModelVerified")["message"]
            ),
        )
    assert bed.condition("damaged", "ModelVerified")["reason"] == "GoldenMismatch"
    quarantined = bed.detector("damaged")["status"]["model"]["quarantined"]
    # v5 was known by its bytes: no pod had to try them again.
    assert [entry["version"] for entry in quarantined] == ["v4", "v2"]
    bed.wait_ready("damaged")
    assert bed.score("damaged", "t2", {"amount": 1.0, "night": 0})["model"]["version"] == "v3"


def _publish_with_other_golden_scores(bed: Bed, folder: Path, version: str) -> None:
    """The version in the folder, under a name, as if it had been trained to score otherwise."""
    manifest = manifests.decode((folder / manifests.FILE_NAME).read_bytes())
    golden = tuple(replace(one, score=1 - one.score) for one in manifest.golden)
    publish(
        bed.store("damaged"),
        replace(manifest, version=version, golden=golden),
        {file.path: folder / file.path for file in manifest.files},
    )
