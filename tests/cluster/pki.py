"""The certificates and keys of a local cluster, and kubeconfigs made from them.

One authority signs everything; the aggregation layer's front proxy has one of its own, because its
clients may claim to be anybody. Keys are P-256; certificates live a year, and a cluster older than
that answers nobody, so that the next `up` starts it anew.
"""

import base64
import datetime
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority in `folder`, made when it is not there yet."""

    def __init__(self, folder: Path, name: str) -> None:
        self.pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
        self._folder = folder
        if not self.pair.cert.exists():
            folder.mkdir(parents=True, exist_ok=True)
            key = ec.generate_private_key(ec.SECP256R1())
            subject = _subject(f"fraudops-{name}", ())
            builder = _builder(subject, subject, key.public_key()).add_extension(
                x509.BasicConstraints(ca=True, path_length=None), critical=True
            )
            _write(self.pair, key, builder.sign(key, hashes.SHA256()))

    def issue(
        self,
        name: str,
        common_name: str,
        organizations: Sequence[str] = (),
        hosts: Sequence[str] = (),
    ) -> Pair:
        """A certificate for clients, and for servers under `hosts` (names and IP addresses)."""
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        authority = x509.load_pem_x509_certificate(self.pair.cert.read_bytes())
        signer = serialization.load_pem_private_key(self.pair.key.read_bytes(), password=None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(common_name, organizations)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(subject, authority.subject, key.public_key()).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        _write(pair, key, builder.sign(signer, hashes.SHA256()))
        return pair


def signing_key(path: Path) -> Path:
    """A key for service-account tokens; its public half goes to PATH.pub."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(path, key)
    path.with_suffix(".pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def write_kubeconfig(path: Path, context: str, server: str, authority: Path, client: Pair) -> Path:
    """A kubeconfig that stands by itself, readable by its owner only. (JSON is YAML.)"""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {
                "name": context,
                "cluster": {"server": server, "certificate-authority-data": _base64(authority)},
            }
        ],
        "users": [
            {
                "name": context,
                "user": {
                    "client-certificate-data": _base64(client.cert),
                    "client-key-data": _base64(client.key),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    _write_private(path, json.dumps(content, indent=1).encode())
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _subject(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _write(pair: Pair, key: ec.EllipticCurvePrivateKey, cert: x509.Certificate) -> None:
    _write_key(pair.key, key)
    pair.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write_private(
        path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
