"""What looks cost where there are thousands of versions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fraud_operator.models.look import MOST_READ, Looker
from fraud_operator.models.quarantine import Quarantine
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.credentials import GoogleKey, Keys, Token
from fraud_scorer.artifact.opening import open_store
from fraud_scorer.artifact.plan import S3Location, StoreLocation, VolumeLocation
from fraud_scorer.artifact.store import Store
from tests.support.faults import Proxy
from tests.support.object_stores import (
    ACCESS_KEY,
    SECRET_KEY,
    VOLUME_TOKEN,
    versitygw,
    volume_server,
)

from .conftest import PREFIX, Kind, manifest

BUCKET = "fraud-models"
PAGE = 1_000

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Many:
    """A store with so many versions, and the proxy through which it is asked."""

    store: Store
    proxy: Proxy
    versions: int


@pytest.fixture(params=["s3", "gcs", "volume"])
def many(
    request: pytest.FixtureRequest, gcs: Kind, google_key: GoogleKey, tmp_path: Path
) -> Iterator[Many]:
    if request.param == "s3":
        with versitygw(tmp_path) as server, Proxy(server.endpoint) as proxy:
            for number in range(10_000):  # to publish them would take a minute
                folder = tmp_path / "objects" / BUCKET / PREFIX / f"v{number}"
                folder.mkdir(parents=True)
                (folder / "manifest.json").write_bytes(described(number))
            s3 = S3Location(bucket=BUCKET, prefix=PREFIX, endpoint=proxy.endpoint)
            store = open_store(StoreLocation(s3=s3), Keys(ACCESS_KEY, SECRET_KEY))
            yield Many(store, proxy, 10_000)
        return
    if request.param == "volume":
        with volume_server(tmp_path) as server, Proxy(server.endpoint) as proxy:
            for number in range(10_000):
                folder = tmp_path / "volume" / PREFIX / f"v{number}"
                folder.mkdir(parents=True)
                (folder / "manifest.json").write_bytes(described(number))
            location = VolumeLocation(url=proxy.endpoint, prefix=PREFIX)
            store = open_store(StoreLocation(volume=location), Token(VOLUME_TOKEN))
            yield Many(store, proxy, 10_000)
        return
    direct = gcs.store()
    for number in range(1_500):
        direct.create(f"v{number}/manifest.json", described(number))
    with Proxy(gcs.endpoint) as proxy:
        yield Many(gcs.store(endpoint=proxy.endpoint), proxy, 1_500)


def described(number: int) -> bytes:
    return manifests.encode(manifest(f"v{number}"))


def test_a_look_costs_a_request_a_thousand_versions(many: Many) -> None:
    store, proxy, pages = many.store, many.proxy, math.ceil(many.versions / PAGE)
    looker = Looker()
    found = looker.look(store)
    assert [one.version for one in found] == [
        f"v{number}" for number in range(many.versions - 1, many.versions - 1 - MOST_READ, -1)
    ]
    reads = sum("manifest.json" in one for one in proxy.requests)
    assert reads <= 2 * MOST_READ, "at Google a file is described before it is read"
    assert len(proxy.requests) - reads <= pages
    before = len(proxy.requests)
    assert looker.look(store) == found
    assert len(proxy.requests) - before <= pages
    before = len(proxy.requests)
    assert Quarantine().read(store) == ()
    assert len(proxy.requests) - before == 1
