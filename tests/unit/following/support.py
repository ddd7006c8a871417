"""Published versions behind a real S3 API, plans that name them, and pods that follow these."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import msgspec
from moto.server import ThreadedMotoServer

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact import report as reports
from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.artifact.plan import (
    Candidate,
    ModelPlan,
    PlannedModel,
    S3Location,
    StoreLocation,
    planned,
)
from fraud_scorer.artifact.report import Report
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import read_manifest
from tests.cluster.control_plane import free_ports
from tests.unit.scorer.process import PATIENCE, Process, serving
from tests.unit.scorer.support import classifier, publish_to, transaction

BUCKET = "followed-models"
KEYS = Keys("testing", "testing")
TOKEN = "the-token-of-these-pods"
DETECTOR = "cards"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


class Bucket:
    """A bucket whose server can be away."""

    def __init__(self, prefix: str) -> None:
        (self.port,) = free_ports(1)
        self.prefix = prefix
        self._server: ThreadedMotoServer | None = None

    @property
    def location(self) -> S3Location:
        return S3Location(
            bucket=BUCKET, prefix=self.prefix, endpoint=f"http://127.0.0.1:{self.port}"
        )

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self._client().create_bucket(Bucket=BUCKET)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None

    def publish(self, version: str, *, seed: int = 0, **changes: Any) -> PlannedModel:
        """Publish a version; another seed is another model."""
        publish_to(
            Path(),
            version,
            to=f"s3://{BUCKET}/{self.prefix}/",
            endpoint=self.location.endpoint,
            credentials=KEYS,
            estimator=classifier(seed),
            **changes,
        )
        found = read_manifest(S3Store(self.location, KEYS), version)
        assert found is not None
        return planned(found.manifest, found.sha256)

    def remove(self, path: str) -> None:
        self._client().delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}")

    def overwrite(self, path: str, data: bytes) -> None:
        self._client().put_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}", Body=data)

    def with_golden(self, model: PlannedModel, score: float) -> PlannedModel:
        """The same model under another version, whose manifest promises that score."""
        found = read_manifest(S3Store(self.location, KEYS), model.version)
        assert found is not None
        golden = tuple(msgspec.structs.replace(one, score=score) for one in found.manifest.golden)
        manifest = msgspec.structs.replace(found.manifest, version="golden", golden=golden)
        data = manifests.encode(manifest)
        self.overwrite(f"golden/{manifests.FILE_NAME}", data)
        made = planned(manifest, sha256_hex(data))
        return msgspec.structs.replace(made, model=model.model)

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.location.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEYS.access_key_id,
            aws_secret_access_key=KEYS.secret_access_key,
        )

    def plan(self, serial: int, active: PlannedModel | None = None, **parts: Any) -> ModelPlan:
        """The plan with that serial."""
        return plan(serial, active, store=StoreLocation(s3=self.location), **parts)


def plan(
    serial: int,
    active: PlannedModel | None = None,
    *,
    store: StoreLocation | None = None,
    detector: str = DETECTOR,
    candidate: PlannedModel | None = None,
    share: int = 0,
    shadow: bool = False,
    **parts: Any,
) -> ModelPlan:
    """A plan as an operator writes it."""
    trial = Candidate(model=candidate, share=share, shadow=shadow) if candidate else None
    return plans.sealed(
        ModelPlan(
            schema_version=2,
            serial=serial,
            checksum="",
            detector=detector,
            store=store or StoreLocation(s3=S3Location(bucket="nowhere")),
            active=active,
            candidate=trial,
            **parts,
        )
    )


def with_thresholds(model: PlannedModel, review: str, decline: str) -> PlannedModel:
    """The same bytes with other thresholds: another revision."""
    return plans.as_revision(
        version=model.version,
        digest=model.digest,
        manifest=model.manifest,
        model=model.model,
        thresholds=Thresholds(review=review, decline=decline),
        reasons=model.reasons,
    )


@dataclass
class Pod:
    """A pod on ports of its own."""

    process: Process
    listen: str = ""
    management: str = ""
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE))

    def push(self, plan: ModelPlan) -> Report:
        """Push a plan that is taken, as the operator does."""
        response = self.put(plans.encode(plan))
        assert response.status_code == 200, response.text
        return reports.decode(response.content)

    def put(self, body: str | bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.client.put(
            f"{self.management}{reports.PATH}",
            content=body,
            headers={"content-type": "application/json"}
            | (AUTHORIZED if headers is None else headers),
        )

    def get(self, path: str = reports.PATH) -> httpx.Response:
        return self.client.get(f"{self.management}{path}", headers=AUTHORIZED)

    def report(self) -> Report:
        return reports.decode(self.get().content)

    def readiness(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"{self.management}/health/ready").json()
        return found

    def score(self, transaction_id: str = "t-1") -> dict[str, Any]:
        """An answer, over a connection of its own: any process may give it."""
        response = httpx.post(
            f"{self.listen}/v1/score", json=transaction(transaction_id=transaction_id)
        )
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def becomes(self, what: Any) -> Report:
        """Wait until a report is so."""

        async def wait() -> Report:
            async with asyncio.timeout(PATIENCE):
                while not what(report := self.report()):  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.02)
                return report

        return asyncio.run(wait())

    def holds(self, **states: str) -> Report:
        """Wait until revisions, by version, are in these states."""
        return self.becomes(
            lambda report: states == {one.version: one.state for one in report.held}
        )


class Namespace:
    """Where pods run: what they mount, and what they find."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = folder / "token-secret"
        self.token.mkdir()
        (self.token / "token").write_text(TOKEN)
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        (self.credentials / "accessKeyID").write_text(KEYS.access_key_id)
        (self.credentials / "secretAccessKey").write_text(KEYS.secret_access_key)
        self.plan_folder = folder / "plan"
        self.plan_folder.mkdir()

    def mount(self, plan: ModelPlan | str) -> None:
        """Put a plan where pods see it, as the kubelet does: a new folder, and a link swapped."""
        text = plan if isinstance(plan, str) else plans.encode(plan)
        made = self.plan_folder / f"..{len(list(self.plan_folder.iterdir()))}"
        made.mkdir()
        (made / "plan.json").write_text(text)
        link = self.plan_folder / "..new"
        link.symlink_to(made.name)
        link.replace(self.plan_folder / "..data")
        visible = self.plan_folder / "plan.json"
        if not visible.is_symlink():
            visible.symlink_to("..data/plan.json")

    @contextmanager
    def pod(self, *arguments: str, state: str = "", siblings: int = 0) -> Iterator[Pod]:
        """A pod that has started; it may not be ready."""
        given = [
            f"--plan={self.plan_folder / 'plan.json'}",
            f"--management-token={self.token}",
            f"--store-credentials={self.credentials}",
            "--drain=0",
            *arguments,
        ]
        if state:
            given.append(f"--state={self.folder / state}")
        if siblings:
            given.append(f"--siblings=127.0.0.1:{siblings}")
        with serving(*given) as process:
            loading = process.logged("loading")
            made = Pod(process, f"http://{loading['listen']}", f"http://{loading['management']}")
            try:
                yield made
            finally:
                made.client.close()
