"""Plans pushed into a pod under load: nothing fails, and nothing withdrawn answers."""

from __future__ import annotations

import asyncio
import os
import signal

import httpx
import pytest

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact import report as reports
from fraud_scorer.artifact.plan import PlannedModel
from tests.unit.following.load import load
from tests.unit.following.support import AUTHORIZED, Bucket, Namespace, Pod
from tests.unit.scorer.process import PATIENCE

pytestmark = pytest.mark.slow


def test_switching_under_load(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel, v3: PlannedModel
) -> None:
    """Prepared by a candidate that answers nothing, active, withdrawn; again and again."""
    namespace.mount(bucket.plan(1, v1))

    async def life(pod: Pod) -> None:
        async with load(pod) as asked, httpx.AsyncClient(timeout=PATIENCE) as client:
            serial, now = 1, v1
            for following in (v2, v3, v1, v2, v1, v3):
                serial += 1
                await asked.push(client, bucket.plan(serial, now, candidate=following))
                await asyncio.to_thread(
                    pod.holds, **{now.version: "Proven", following.version: "Proven"}
                )
                serial += 1
                await asked.push(client, bucket.plan(serial, following, last_known_good=now))
                await asked.answered(60)
                serial += 1
                report = await asked.push(client, bucket.plan(serial, following))
                assert report.answering == following.revision
                await asked.answered(60)
                now = following
        assert set(asked.by) == {v1.digest, v2.digest, v3.digest}

    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        asyncio.run(life(pod))


def test_a_withdrawal_does_not_wait_for_what_is_being_loaded(
    own_bucket: Bucket, namespace: Namespace
) -> None:
    """The candidate cannot be fetched, and the active one is withdrawn all the same."""
    first, second, third = (own_bucket.publish(f"v{n}", seed=n) for n in (1, 2, 3))
    namespace.mount(own_bucket.plan(1, first, last_known_good=second))

    async def life(pod: Pod) -> None:
        async with load(pod) as asked, httpx.AsyncClient(timeout=PATIENCE) as client:
            await asked.push(
                client, own_bucket.plan(2, first, last_known_good=second, candidate=third)
            )
            report = await asked.push(client, own_bucket.plan(3, second, candidate=third))
            assert report.answering == second.revision
            states = {one.version: one.state for one in report.held}
            assert states["v2"] == "Proven"
            assert states["v3"] in ("Loading", "Waiting")

    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        own_bucket.stop()
        asyncio.run(life(pod))


def test_a_process_that_is_killed_comes_back_with_what_is_followed(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel
) -> None:
    """Also when the plan changes while it is away."""
    namespace.mount(bucket.plan(1, v1, last_known_good=v2))

    def digests(pod: Pod) -> set[str]:
        return {pod.score(f"t-{n}")["model"]["digest"] for n in range(40)}

    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        for serial, (now, before) in enumerate([(v2, v1), (v1, v2), (v2, v1)], start=2):
            killed = pod.process.children()[serial % 2]
            os.kill(killed, signal.SIGKILL)
            report = pod.push(bucket.plan(serial, now, last_known_good=before))
            assert (report.serial, report.answering) == (serial, now.revision)
            assert digests(pod) == {now.digest}
            pod.becomes(lambda report: report.ready)
            assert killed not in pod.process.children()
            assert digests(pod) == {now.digest}


def test_pushes_at_the_same_time_end_with_the_latest(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1, last_known_good=v2))

    async def life(pod: Pod) -> None:
        async with load(pod), httpx.AsyncClient(timeout=PATIENCE) as client:

            async def push(serial: int) -> int:
                now, other = (v1, v2) if serial % 2 else (v2, v1)
                text = plans.encode(bucket.plan(serial, now, last_known_good=other))
                response = await client.put(
                    f"{pod.management}{reports.PATH}", content=text, headers=AUTHORIZED
                )
                if response.status_code == 200:
                    report = reports.decode(response.content)
                    assert report.serial >= serial
                return response.status_code

            order = [2 + (7 * n) % 30 for n in range(30)]
            statuses = await asyncio.gather(*map(push, order))
            assert set(statuses) <= {200, 409}
            assert dict(zip(order, statuses, strict=True))[31] == 200
        assert (pod.report().serial, pod.report().answering) == (31, v1.revision)

    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        asyncio.run(life(pod))
