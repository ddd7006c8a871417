"""Many teams, one operator: a list of namespaces, rights of teams, and no other's Secret."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fraud_operator.install import objects as install
from fraud_operator.runtime.connection import connect
from fraud_operator.runtime.kube import HttpKube
from tests.cluster import Cluster
from tests.cluster.audit import AuditLog
from tests.support.bucket import Bucket
from tests.support.closing import say
from tests.support.process import Installation, installed, wait_for
from tests.support.virtual_node import virtual_node

FOREIGN = 8_000
MOST_MEGABYTES_MORE = 10.0


@pytest.fixture
def others(crds: Cluster) -> Iterator[tuple[str, str]]:
    """Two more namespaces."""
    names = (f"test-{secrets.token_hex(4)}", f"test-{secrets.token_hex(4)}")
    for name in names:
        crds.kubectl("create", "namespace", name)
    yield names
    crds.kubectl("delete", "namespace", *names, "--wait=false", "--ignore-not-found")


def condition(cluster: Cluster, namespace: str, kind: str) -> dict[str, Any]:
    found = json.loads(cluster.kubectl("-n", namespace, "get", "fd/cards", "--output=json"))
    conditions = found["status"].get("conditions", ())
    return next((one for one in conditions if one["type"] == kind), {})


def test_a_list_of_namespaces_and_no_secret_of_another_one(
    crds: Cluster,
    namespace: str,
    others: tuple[str, str],
    bucket: Bucket,
    audit: AuditLog,
    tmp_path: Path,
) -> None:
    """The Secret that all three name is in the first namespace only."""
    poor, unwatched = others
    bucket.publish("cards/", "v1")
    at = installed(crds, namespace, tmp_path, poor)
    at.apply(bucket.secret())
    for where in (namespace, *others):
        text = json.dumps(bucket.detector())
        crds.kubectl("-n", where, "apply", "--filename=-", input=text)
    with (
        virtual_node(at),
        virtual_node(replace(at, namespace=poor)),
        at.operator("operator", f"--namespaces={namespace},{poor}") as operator,
    ):
        operator.wait_to_lead()
        wait_for("the first one's pods", lambda: at.get("deployment", "cards-scorer"))
        stalled = wait_for(
            "the second one is stalled",
            lambda: (found := condition(crds, poor, "Stalled")).get("status") == "True" and found,
        )
        assert stalled["reason"] == "ReferenceMissing"
        assert "spec.model.source.s3.credentialsSecret" in stalled["message"]
        assert f"Secret {poor}/model-store does not exist" in stalled["message"]
        deployments = crds.kubectl("-n", poor, "get", "deployments", "--output=name")
        assert deployments == "", "there is nothing that its pods could mount"
        third = json.loads(crds.kubectl("-n", unwatched, "get", "fd/cards", "--output=json"))
        assert third["status"] == {"observedGeneration": -1}
        asked = audit.entries(at.user)
        # What the API server has at all is asked of it as a whole.
        assert {one.namespace for one in asked if one.resource} == {namespace, poor}
        assert [one for one in asked if one.refused] == []
        reads = {(one.verb, one.namespace, one.name) for one in asked if one.resource == "secrets"}
        needed = {
            asked
            for where in (namespace, poor)
            for asked in (("get", where, "model-store"), ("create", where, "cards-management"))
        }
        # What was just made is known, as long as it is remembered.
        allowed = {("get", where, "cards-management") for where in (namespace, poor)}
        assert needed <= reads <= needed | allowed

        # What one team lacks, it can give itself, and nothing else has to be done.
        crds.kubectl("-n", poor, "apply", "--filename=-", input=json.dumps(bucket.secret()))
        wait_for(
            "the second one's pods",
            lambda: crds.kubectl("-n", poor, "get", "deployments", "--output=name"),
            seconds=60,
        )


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        (
            "view",
            [("list", "frauddetectors", ""), ("get", "frauddetectors", "scale")],
            [("create", "frauddetectors", ""), ("patch", "frauddetectors", "scale")],
        ),
        (
            "edit",
            [("create", "frauddetectors", ""), ("delete", "frauddetectors", ""),
             ("patch", "frauddetectors", "scale"), ("watch", "frauddetectors", "")],
            [("patch", "frauddetectors", "status")],
        ),
    ],
)  # fmt: skip
def test_teams_have_their_rights_by_the_clusters_own_roles(
    crds: Cluster,
    namespace: str,
    role: str,
    allowed: list[tuple[str, str, str]],
    refused: list[tuple[str, str, str]],
) -> None:
    manifests = [install.view_role(), install.edit_role()]
    crds.kubectl(
        "apply", "--server-side", "--filename=-", input="\n---\n".join(map(json.dumps, manifests))
    )
    crds.kubectl(
        "-n", namespace, "create", "rolebinding", role, f"--clusterrole={role}", "--user=alice"
    )

    def may(verb: str, resource: str, subresource: str) -> bool:
        return crds.kubectl(
            "-n", namespace, "auth", "can-i", verb, f"{resource}.fraudops.io",
            f"--subresource={subresource}", "--as=alice", check=False,
        ).strip() == "yes"  # fmt: skip

    for right in allowed:
        wait_for(f"{role} may {right}", lambda: may(*right))  # noqa: B023
    for right in refused:
        assert not may(*right), f"{role} may {right}"


@pytest.mark.long
def test_memory_does_not_grow_with_what_is_not_ours(
    installation: Installation, bucket: Bucket, audit: AuditLog
) -> None:
    """Thousands of Secrets of 10 kB in the very namespace that is looked after, before and after
    the start."""
    bucket.publish("cards/", "v1")
    installation.apply(bucket.secret(), bucket.detector())
    with installation.operator("before") as operator:
        operator.wait_to_lead()
        wait_for("the pods", lambda: installation.get("deployment", "cards-scorer"))
        settle(operator.writes)
        before = operator.resident_megabytes()
        asyncio.run(foreign(installation, FOREIGN))
        scale(installation, 3)
        settle(operator.writes)
        beside = operator.resident_megabytes()
    with installation.operator("after") as operator:
        operator.wait_to_lead()
        scale(installation, 4)
        settle(operator.writes)
        after = operator.resident_megabytes()
    more = f"{beside:.0f} MB with {FOREIGN:,} foreign Secrets of 10 kB"
    say("memory", [f"{before:.0f} MB; {more}, {after:.0f} MB when started beside them"])
    assert beside - before < MOST_MEGABYTES_MORE
    assert after - before < MOST_MEGABYTES_MORE
    asked = [one for one in audit.entries(installation.user) if one.resource == "secrets"]
    reads = {(one.verb, one.name) for one in asked}
    made = {("create", "cards-management"), ("get", "cards-management")}
    assert ("get", "model-store") in reads
    assert reads <= {("get", "model-store")} | made


def scale(at: Installation, count: int) -> None:
    at.kubectl("scale", "frauddetector/cards", f"--replicas={count}")

    def scaled() -> bool:
        found = at.get("deployment", "cards-scorer")
        return found is not None and found["spec"]["replicas"] == count

    wait_for("the change", scaled)


def settle(writes: Any) -> None:
    """Wait until a second passes without a write."""
    seen = [-1.0]

    def quiet() -> bool:
        seen.append(writes())
        return seen[-2] == seen[-1] > 0

    for _ in range(5):
        wait_for("a quiet moment", quiet)


async def foreign(at: Installation, count: int) -> None:
    """Create that many Secrets of 10 kB."""
    connection = await connect(str(at.cluster.kubeconfig), at.cluster.context)
    some = asyncio.Semaphore(16)
    async with connection.session("foreign") as session:
        kube = HttpKube(session, connection.server)

        async def one(number: int) -> None:
            async with some:
                await kube.create(
                    {
                        "apiVersion": "v1",
                        "kind": "Secret",
                        "metadata": {"name": f"foreign-{number}", "namespace": at.namespace},
                        "stringData": {"some": f"{number:010}" * 1_000},
                    }
                )

        await asyncio.gather(*map(one, range(count)))
