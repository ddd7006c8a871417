"""A candidate on trial in a real pod: its share is exact, and what it does is reported."""

from __future__ import annotations

import json

import pytest

from fraud_scorer.artifact.plan import PlannedModel
from fraud_scorer.artifact.report import Counts, Report
from fraud_scorer.registry.share import Share
from tests.unit.following.support import DETECTOR, Bucket, Namespace, Pod
from tests.unit.scorer.support import GOLDEN, transaction

pytestmark = pytest.mark.slow

IDS = [f"tx-{n}" for n in range(2000)]


def ask(pod: Pod) -> dict[str, str]:
    """The version that answered, by transaction: in batches, tensors, and one by one."""
    found = {}
    third = len(IDS) // 3
    for ids in (IDS[:third], IDS[third : 2 * third]):
        body = [transaction(transaction_id=one) for one in ids]
        answers = pod.client.post(f"{pod.listen}/v1/score/batch", json=body).json()
        found |= {one: each["model"]["version"] for one, each in zip(ids, answers, strict=True)}
    tensors = [
        {"name": name, "shape": [1], "datatype": kind, "data": [GOLDEN[0][name]]}
        for name, kind in (
            ("amount", "FP64"),
            ("age", "FP64"),
            ("channel", "BYTES"),
            ("tier", "BYTES"),
        )
    ]
    for position, one in enumerate(IDS[2 * third :]):
        if position % 2:
            found[one] = pod.score(one)["model"]["version"]
            continue
        body = {"id": one, "inputs": tensors, "outputs": [{"name": "version"}]}
        answer = pod.client.post(f"{pod.listen}/v2/models/card-payments/infer", json=body).json()
        found[one] = answer["outputs"][0]["data"][0]
    return found


def counted(report: Report) -> dict[str, Counts]:
    return {one.version: one.counts or Counts() for one in report.held}


def test_the_share_is_exact_however_it_is_asked(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1, candidate=v2))
    with namespace.pod("--processes=2") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        assert pod.score()["model"]["version"] == "v1"
        for serial, size in ((2, 100), (3, 2500)):
            pod.push(bucket.plan(serial, v1, candidate=v2, share=size))
            found = ask(pod)
            share = Share(DETECTOR, v2.revision, size)
            expected = {one for one in IDS if share.has(one)}
            assert {one for one, version in found.items() if version == "v2"} == expected
            counts = counted(pod.report())
            assert counts["v2"].requests == len(expected)
            assert counts["v1"].requests == len(IDS) - len(expected)
            for one in counts.values():
                assert one.requests == sum(one.scores) == sum(one.latencies)
                assert (one.errors, one.invalid) == (0, 0)
        # what is asked for by its version is no part of a trial
        url = f"{pod.listen}/v2/models/card-payments/versions"
        assert pod.client.get(f"{url}/v2").status_code == 404
        text = pod.client.get(f"{pod.management}/metrics").text
        assert 'fraud_scorer_decisions_total{decision="approve",role="candidate"' in text
        assert f'revision="{v2.revision}",role="candidate"' in text

        # promoted: what it counts begins anew
        pod.push(bucket.plan(4, v2, last_known_good=v1))
        assert counted(pod.report())["v2"].requests == 0
        assert pod.score()["model"]["version"] == "v2"
        assert counted(pod.report())["v2"].requests == 1


def test_a_shadow_is_in_no_answer(
    bucket: Bucket, namespace: Namespace, v1: PlannedModel, v2: PlannedModel
) -> None:
    namespace.mount(bucket.plan(1, v1, candidate=v2, shadow=True))
    with namespace.pod("--processes=2", "--log-level=debug") as pod:
        pod.process.logged("ready")
        pod.holds(v1="Proven", v2="Proven")
        pod.push(bucket.plan(2, v1, candidate=v2, shadow=True))
        assert {pod.score(one)["model"]["version"] for one in IDS[:100]} == {"v1"}
        pod.becomes(lambda report: counted(report)["v2"].requests == 100)
        assert counted(pod.report())["v1"].requests == 100
        text = pod.client.get(f"{pod.management}/metrics").text
        assert f'revision="{v2.revision}",role="shadow"' in text
        pod.process.process.terminate()
        pod.process.ended()
        pod.process.kill()
        lines = [json.loads(line) for line in pod.process.lines + pod.process.rest()]
    shadows = {one["transaction_id"] for one in lines if one.get("role") == "shadow"}
    assert shadows == set(IDS[:100])
