"""Signatures as cosign and openssl make them, over a manifest or a bare file."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fraud_scorer.verification import signature
from fraud_scorer.verification.refusal import Undecided
from fraud_scorer.verification.signature import Keys
from tests.unit.scorer.support import linear

from .conftest import Way, bare, rewrite


def private(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign(key: ec.EllipticCurvePrivateKey, path: Path) -> None:
    made = key.sign(path.read_bytes(), ec.ECDSA(hashes.SHA256()))
    path.with_name(path.name + ".sig").write_bytes(base64.b64encode(made))


@pytest.fixture
def key(way: Way) -> ec.EllipticCurvePrivateKey:
    """The key whose signatures the verification asks for."""
    made = private()
    way.keys = Keys(pem(made), where="cosign.pub")
    return made


def test_a_signed_version_is_proven(
    way: Way, version: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    sign(key, version / "manifest.json")
    assert way.all().outcome == "Proven"


@pytest.mark.usefixtures("key")
def test_an_unsigned_version_is_refused(way: Way, version: Path) -> None:
    verdict = way.all()
    assert (verdict.outcome, verdict.reason) == ("Refused", "SignatureMissing")
    assert verdict.file == "v1/manifest.json.sig"
    assert "cosign sign-blob" in verdict.message


@pytest.mark.parametrize("damage", ["other key", "other bytes", "no base64", "no signature"])
def test_a_wrong_signature_is_refused(
    way: Way, version: Path, key: ec.EllipticCurvePrivateKey, damage: str
) -> None:
    sign(private() if damage == "other key" else key, version / "manifest.json")
    if damage == "other bytes":
        rewrite(version, metrics={"auc": 1.0})
    if damage == "no base64":
        (version / "manifest.json.sig").write_bytes(b"\xff\xfe!")
    if damage == "no signature":
        (version / "manifest.json.sig").write_bytes(base64.b64encode(b"nonsense"))
    verdict = way.all()
    assert (verdict.outcome, verdict.reason) == ("Refused", "SignatureInvalid")


def test_judge_looks_at_the_signature_itself(way: Way, version: Path) -> None:
    """Also where fetch was not told to."""
    assert way.fetch() is None
    way.keys = Keys(pem(private()), where="cosign.pub")
    assert way.judge().reason == "SignatureMissing"


@pytest.mark.slow
def test_an_unsigned_model_file_is_never_run(
    way: Way, bucket: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    path = bare(bucket, linear())
    assert way.fetch(bare="model.pkl") is not None
    assert way.compile() is False
    assert list(way.compiled.iterdir()) == []
    assert way.judge().reason == "SignatureMissing"
    again = Way(way.root.parent / "again", way.store)
    again.keys = way.keys
    sign(key, path)
    assert again.all(bare="model.pkl").outcome == "Proven"


def test_any_of_several_keys_will_do(way: Way, version: Path) -> None:
    former, latter = private(), private()
    way.keys = Keys(pem(former) + b"\n" + pem(latter), where="cosign.pub")
    sign(latter, version / "manifest.json")
    assert way.all().outcome == "Proven"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_openssl_makes_such_signatures(way: Way, version: Path, tmp_path: Path) -> None:
    secret, public = tmp_path / "key.pem", tmp_path / "key.pub"

    def openssl(*arguments: str | Path) -> bytes:
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)
        return done.stdout

    openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", secret)
    openssl("ec", "-in", secret, "-pubout", "-out", public)
    manifest = version / "manifest.json"
    made = openssl("dgst", "-sha256", "-sign", secret, manifest)
    # As openssl prints it: with a line break after every 64 characters.
    (version / "manifest.json.sig").write_bytes(base64.encodebytes(made))
    way.keys = signature.keys(public)
    assert way.all().outcome == "Proven"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    again = Way(tmp_path / "again", way.store)
    again.keys = way.keys
    assert again.all().reason == "SignatureInvalid"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nno key\n-----END PUBLIC KEY-----\n",
        pem(private(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["empty", "nonsense", "P-384", "RSA", "Ed25519"],
)
def test_a_key_of_another_kind_is_trouble_with_the_settings_and_no_verdict(
    text: bytes, tmp_path: Path
) -> None:
    (tmp_path / "cosign.pub").write_bytes(text)
    with pytest.raises(Undecided, match=r"P-256 public key in PEM") as caught:
        signature.keys(tmp_path / "cosign.pub")
    assert caught.value.reason == "SignatureKeyInvalid"
    with pytest.raises(Undecided, match="No such file"):
        signature.keys(tmp_path / "other.pub")
