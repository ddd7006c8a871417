"""An S3 server in this process, with model versions that an operator can read and no pod could."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from fraud_operator.plan.release.record import Entry
from fraud_scorer.artifact import layout
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.manifest import (
    Engine,
    Feature,
    FileRef,
    Framework,
    Golden,
    Manifest,
    Thresholds,
)

BUCKET = "fraud-models"
ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key"


def client_of(endpoint: str, access_key: str, secret_key: str) -> Any:
    """A boto3 client of an S3 server."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )


def put_version(client: Any, prefix: str, model: str, version: str, created: datetime) -> Manifest:
    """Put a version into the bucket that an operator can read; no pod could load it."""
    content = f"model {version}".encode()
    manifest = Manifest(
        schema_version=1,
        model=model,
        version=version,
        created_at=created,
        framework=Framework(name="scikit-learn", version="1.9.0", python="3.13"),
        engine=Engine(format="fdm", version=1),
        files=(
            FileRef(
                path="model.fdm",
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                role="model",
            ),
        ),
        features=(Feature(name="amount", type="number"),),
        golden=(Golden(features={"amount": 1.0}, score=0.5),),
        thresholds=Thresholds(review="0.5", decline="0.9"),
    )
    folder = f"{prefix}{version}"
    client.put_object(Bucket=BUCKET, Key=f"{folder}/model.fdm", Body=content)
    client.put_object(Bucket=BUCKET, Key=f"{folder}/manifest.json", Body=manifests.encode(manifest))
    return manifest


@dataclass
class Bucket:
    """A bucket on a port of this machine."""

    server: ThreadedMotoServer
    endpoint: str

    @classmethod
    def start(cls) -> Bucket:
        """Start the server, with an empty bucket."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        bucket = cls(server, f"http://{host}:{port}")
        bucket.client.create_bucket(Bucket=BUCKET)
        return bucket

    def stop(self) -> None:
        """Stop the server."""
        self.server.stop()

    @property
    def client(self) -> Any:
        """A boto3 client."""
        return client_of(self.endpoint, ACCESS_KEY, SECRET_KEY)

    def publish(self, prefix: str, version: str, *, day: int = 1) -> Manifest:
        """Put a version there."""
        created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        return put_version(self.client, prefix, "cards", version, created)

    def quarantine(self, prefix: str, manifest: Manifest) -> None:
        """Another detector that shares the store finds the version bad."""
        entry = Entry(
            digest=manifest.digest,
            version=manifest.version,
            reason="GoldenMismatch",
            message="it computes something else",
            since="2026-01-01T00:00:00Z",
        )
        self.client.put_object(
            Bucket=BUCKET,
            Key=prefix + layout.quarantine_entry(manifest.digest, manifest.version),
            Body=canonical_json(entry),
        )

    def has(self, key: str) -> bool:
        """Whether there is such an object."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=key)
        return any(one["Key"] == key for one in found.get("Contents", ()))

    def secret(self, name: str = "model-store") -> dict[str, Any]:
        """The Secret that lets in."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": {"accessKeyID": ACCESS_KEY, "secretAccessKey": SECRET_KEY},
        }

    def detector(self, name: str = "cards", **spec: Any) -> dict[str, Any]:
        """A FraudDetector that is served from it; `spec` is merged at its top level."""
        s3 = {
            "bucket": BUCKET,
            "prefix": f"{name}/",
            "endpoint": self.endpoint,
            "credentialsSecret": "model-store",
        }
        return {
            "apiVersion": "fraudops.io/v1beta1",
            "kind": "FraudDetector",
            "metadata": {"name": name},
            "spec": {
                "model": {"source": {"s3": s3}, "syncInterval": "5s"},
                "scorer": {"replicas": 2},
                **spec,
            },
        }
