"""Real stores as processes of this machine: versitygw for S3, fake-gcs-server for Google's, and our
own server of a volume. They listen on the loopback.

The first two are built from Go modules once a machine (tests.cluster.tools).
"""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.cluster.control_plane import free_ports
from tests.cluster.tools import tool

ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key"
VOLUME_TOKEN = "test-token-of-a-volume"
_PATIENCE_SECONDS = 60.0


class NotStarted(Exception):
    """A server ended, or did not answer in time; the message ends with what it said."""


@dataclass
class Server:
    """A process that listens at `endpoint`. Use as a context manager, or call `stop`."""

    process: subprocess.Popen[bytes]
    endpoint: str
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str], url: str, path: str, log: Path, ca: Path | None = None
    ) -> Server:
        """Start it, and return when it answers at `path`."""
        with log.open("ab") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        server = cls(process, url, log)
        trust = ssl.create_default_context(cafile=ca) if ca else True
        end = time.monotonic() + _PATIENCE_SECONDS
        while not server._answers(path, trust):
            if process.poll() is not None or time.monotonic() > end:
                server.stop()
                raise NotStarted(f"{command[0]}: {log.read_text(errors='replace')[-1000:]}")
            time.sleep(0.02)
        return server

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, at once."""
        self.process.kill()
        self.process.wait()

    def _answers(self, path: str, trust: ssl.SSLContext | bool) -> bool:
        try:
            return httpx.get(self.endpoint + path, timeout=1, verify=trust).is_success
        except httpx.HTTPError:
            return False


@dataclass(frozen=True)
class Certificate:
    """Of a server at 127.0.0.1, signed by itself."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        """A new one."""
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(name, name, private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(private, SHA256())
        )
        found = cls(folder / "tls.crt", folder / "tls.key")
        found.certificate.write_bytes(made.public_bytes(Encoding.PEM))
        form = PrivateFormat.PKCS8
        found.key.write_bytes(private.private_bytes(Encoding.PEM, form, NoEncryption()))
        return found


def versitygw(folder: Path, *more: str, tls: Certificate | None = None, port: int = 0) -> Server:
    """An S3 API on a folder of this machine; `more` are options of it. Files that are put into the
    folder by hand have an etag too."""
    port = port or free_ports(1)[0]
    for name in ("objects", "metadata"):
        (folder / name).mkdir(exist_ok=True)
    secured = [f"--cert={tls.certificate}", f"--key={tls.key}"] if tls else []
    command = [
        str(tool("versitygw")), f"--port=127.0.0.1:{port}", "--health=/health",
        f"--access={ACCESS_KEY}", f"--secret={SECRET_KEY}", *secured, *more,
        "posix", f"--sidecar={folder / 'metadata'}", "--default-etag=by-hand",
        str(folder / "objects"),
    ]  # fmt: skip
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    ca = tls.certificate if tls else None
    return Server.start(command, url, "/health", folder / "versitygw.log", ca)


def fake_gcs_server(folder: Path, tls: Certificate | None = None) -> Server:
    """Google's JSON API, without any credentials, in memory."""
    (port,) = free_ports(1)
    scheme = "https" if tls else "http"
    url = f"{scheme}://127.0.0.1:{port}"
    secured = (
        [f"-cert-location={tls.certificate}", f"-private-key-location={tls.key}"] if tls else []
    )
    command = [
        str(tool("fake-gcs-server")), "-backend=memory", f"-scheme={scheme}", "-host=127.0.0.1",
        f"-port={port}", f"-public-host=127.0.0.1:{port}", f"-external-url={url}",
        "-data=/nonexistent", *secured,
    ]  # fmt: skip
    ca = tls.certificate if tls else None
    return Server.start(command, url, "/_internal/healthcheck", folder / "fake-gcs-server.log", ca)


def volume_server(folder: Path, *more: str) -> Server:
    """`fraud-scorer volume` on `folder`/volume; `more` are options of it."""
    (port,) = free_ports(1)
    for name in ("volume", "token"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "token" / "token").write_text(VOLUME_TOKEN)
    command = [
        sys.executable, "-m", "fraud_scorer.cli.main", "volume", f"--root={folder / 'volume'}",
        f"--token={folder / 'token'}", f"--listen=127.0.0.1:{port}", *more,
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    return Server.start(command, url, "/health/live", folder / "volume.log")


def make_google_bucket(endpoint: str, name: str, ca: Path | None = None) -> None:
    """Create a bucket at a fake-gcs-server."""
    url = f"{endpoint}/storage/v1/b?project=test"
    trust = ssl.create_default_context(cafile=ca) if ca else True
    httpx.post(url, json={"name": name}, timeout=10, verify=trust).raise_for_status()
