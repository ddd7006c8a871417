"""The demo's bucket, reached from this machine by a port-forward, with the keys of its Secret."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import boto3

from tests.cluster import Cluster, ClusterError

SERVICE, PORT, SECRET = "bucket", 7070, "model-store"
BUCKET = "fraud-models"


@dataclass(frozen=True)
class Reachable:
    """Where the S3 API answers on this machine, and as whom to ask."""

    endpoint: str
    keys: Mapping[str, str] = field(repr=False)
    """As environment variables of the AWS SDK."""


@contextmanager
def reachable(cluster: Cluster, namespace: str) -> Iterator[Reachable]:
    """Forward a local port to the bucket's Service for as long as the context lasts."""
    command = [str(cluster.kubectl_path), "--context", cluster.context, "--namespace", namespace]
    command += ["port-forward", "--address=127.0.0.1", f"service/{SERVICE}", f":{PORT}"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=cluster.environment,
    )
    try:
        said = process.stdout.readline() if process.stdout else ""
        if not said.startswith("Forwarding from "):
            raise ClusterError(f"no port-forward to the bucket: {said}")
        yield Reachable(f"http://{said.split()[2]}", _keys(cluster, namespace))
    finally:
        process.terminate()
        process.wait()


def create(where: Reachable) -> None:
    """Make the bucket that the detector's spec names."""
    client = boto3.client(
        "s3",
        endpoint_url=where.endpoint,
        region_name="us-east-1",
        aws_access_key_id=where.keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=where.keys["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)


def _keys(cluster: Cluster, namespace: str) -> dict[str, str]:
    secret = json.loads(
        cluster.kubectl("get", "secret", SECRET, "--namespace", namespace, "--output=json")
    )
    names = {"accessKeyID": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY"}
    return {
        variable: base64.b64decode(secret["data"][key]).decode() for key, variable in names.items()
    }
