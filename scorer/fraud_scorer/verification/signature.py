"""Who published a version: ECDSA over P-256 and SHA-256, as `cosign sign-blob` makes and
`openssl dgst -sha256 -sign` does: the DER signature, in Base64, in a file beside the signed one.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from fraud_scorer.verification.refusal import PUBLISH_AGAIN, Refusal, Undecided

MAX_BYTES = 16 << 10
"""Of a signature's file: one has about a hundred."""

_BEGIN = b"-----BEGIN PUBLIC KEY-----"


class Keys:
    """Public keys, any of which may have signed: while they are rotated there are two."""

    def __init__(self, pem: bytes, *, where: str) -> None:
        """Raises Undecided, naming `where`, for anything but P-256 public keys in PEM."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        self._keys: list[ec.EllipticCurvePublicKey] = []
        for part in pem.split(_BEGIN)[1:]:
            try:
                key = load_pem_public_key(_BEGIN + part)
            except (ValueError, UnsupportedAlgorithm) as error:
                raise _no_key(where, str(error)) from None
            if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
                raise _no_key(where, "it is of another kind")
            self._keys.append(key)
        if not self._keys:
            raise _no_key(where, "there is no PUBLIC KEY in it")

    def require(self, signed: Path, signature: Path, *, name: str) -> None:
        """Raise Refusal where the file at `signed` was signed by none of the keys."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        if not signature.exists():
            raise Refusal(
                "SignatureMissing",
                f"{name} is not signed: sign it (cosign sign-blob --key cosign.key"
                f" --output-signature {name}.sig) and publish both under a new version",
                file=f"{name}.sig",
                expected="a signature",
                actual="nothing",
            )
        try:
            lines = signature.read_bytes().split()  # openssl breaks them, cosign does not
            made = base64.b64decode(b"".join(lines), validate=True)
        except (binascii.Error, ValueError):
            raise self._invalid(name, "is no Base64") from None
        digest = hashes.Hash(hashes.SHA256())
        with signed.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        over = digest.finalize()
        for key in self._keys:
            try:
                key.verify(made, over, ec.ECDSA(Prehashed(hashes.SHA256())))
            except InvalidSignature:
                continue
            return
        raise self._invalid(name, "was made by another key, or over other bytes")

    def _invalid(self, name: str, why: str) -> Refusal:
        return Refusal(
            "SignatureInvalid",
            f"the signature {name}.sig {why}: find out who published this version; if it was you,"
            f" sign {name} with the key whose public half the detector names, and"
            f" {PUBLISH_AGAIN}",
            file=f"{name}.sig",
            expected="a signature by a key of spec.model.verification.signature",
            actual=why,
        )


def keys(path: Path) -> Keys:
    """The keys in a mounted file. Raises Undecided where they cannot be had."""
    try:
        return Keys(path.read_bytes(), where=str(path))
    except OSError as error:
        raise _no_key(str(path), str(error.strerror)) from None


def _no_key(where: str, why: str) -> Undecided:
    return Undecided(
        "SignatureKeyInvalid",
        f"{where} holds no public key that signatures could be checked by ({why}): give the Secret"
        " of spec.model.verification.signature a P-256 public key in PEM, like cosign.pub",
    )
