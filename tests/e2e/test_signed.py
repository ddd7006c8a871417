"""A detector that asks for signatures: what nobody signed never gets near a pod that serves."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import FILE_NAME
from tests.e2e.bed import Bed, wait_for

pytestmark = pytest.mark.node

NAME = "signed"


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def publish(bed: Bed, version: str, key: ec.EllipticCurvePrivateKey, folder: Path) -> None:
    """Publish a version with its signature, which comes before the manifest."""
    bed.publish(NAME, version, seed=int(version[1:]), to=DirectoryStore(folder))
    store, manifest = bed.store(NAME), (folder / version / FILE_NAME).read_bytes()
    signature = key.sign(manifest, ec.ECDSA(hashes.SHA256()))
    for path in sorted((folder / version).iterdir()):
        if path.name != FILE_NAME:
            store.create(f"{version}/{path.name}", path)
    store.create(f"{version}/{FILE_NAME}.sig", base64.b64encode(signature))
    store.create(f"{version}/{FILE_NAME}", manifest)


def test_what_is_signed_serves(bed: Bed, key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    bed.kubectl(
        *("create", "secret", "generic", "model-signing"),
        f"--from-literal=cosign.pub={pem.decode()}",
    )
    publish(bed, "v1", key, tmp_path)
    secret = {"name": "model-signing", "key": "cosign.pub"}
    bed.apply(NAME, {"model": {"verification": {"signature": {"publicKeySecret": secret}}}})
    bed.wait_ready(NAME)


def test_what_is_not_signed_or_by_somebody_else_never_does(bed: Bed, tmp_path: Path) -> None:
    bed.publish(NAME, "v2", seed=2)
    publish(bed, "v3", ec.generate_private_key(ec.SECP256R1()), tmp_path)
    expected = {"v2": "SignatureMissing", "v3": "SignatureInvalid"}
    wait_for("both are refused", lambda: refused(bed) == expected)
    answer = bed.score(NAME, "tx-1", {"amount": 20.0, "night": 0})
    assert answer["model"]["version"] == "v1"


def refused(bed: Bed) -> dict[str, str]:
    entries = bed.detector(NAME)["status"]["model"].get("quarantined", ())
    return {entry["version"]: entry["reason"] for entry in entries}
