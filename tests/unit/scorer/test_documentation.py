"""The examples in docs/scorer.md are what the code takes and gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from fraud_scorer import problem
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact import report as reports
from fraud_scorer.http import spooling
from fraud_scorer.http.batch import ItemProblem
from fraud_scorer.http.exposition import Exposition
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.oip import messages
from fraud_scorer.http.oip.tensors import columns
from fraud_scorer.http.oip.transactions import transactions
from fraud_scorer.http.shipping import Shipping
from fraud_scorer.ledger.spool import Spool
from fraud_scorer.pipeline.envelope import ScoreAnswer
from fraud_scorer.pipeline.parse import parse
from fraud_scorer.problem import Kind, ProblemDocument
from fraud_scorer.registry.inputs import Inputs
from fraud_scorer.registry.refusal import Verdict

TEXT = (Path(__file__).parents[3] / "docs/scorer.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- tested: (\w+) -->\n```json\n(.*?)```", TEXT, re.DOTALL))


def strictly(kind: type) -> Callable[[bytes], object]:
    return lambda data: msgspec.json.decode(data, type=kind)


READERS: dict[str, Callable[[bytes], object]] = {
    "ScoreRequest": parse,
    "ScoreAnswer": strictly(ScoreAnswer),
    "ProblemDocument": strictly(ProblemDocument),
    "ItemProblem": strictly(ItemProblem),
    "InferRequest": messages.read,
    "InferResponse": strictly(messages.InferResponse),
    "Verdict": strictly(Verdict),
    "Manifest": manifests.decode,
    "ModelPlan": plans.decode,
    "Report": reports.decode,
}


def test_all_examples_are_known() -> None:
    assert EXAMPLES.keys() == READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_the_example_is_right(name: str) -> None:
    READERS[name](EXAMPLES[name].encode())


def test_the_request_fits_the_manifest() -> None:
    manifest = manifests.decode(EXAMPLES["Manifest"].encode())
    request = parse(EXAMPLES["ScoreRequest"].encode())
    assert Inputs(manifest).row(request.features) == (19.99, 0, "app", None)


def test_the_tensors_fit_the_manifest() -> None:
    manifest = manifests.decode(EXAMPLES["Manifest"].encode())
    request = messages.read(EXAMPLES["InferRequest"].encode())
    found = columns(request, [None] * len(request.inputs), manifest)
    first, second = transactions(request, found, datetime.now(UTC))
    assert Inputs(manifest).row(first.features) == (19.99, 0, "app", None)
    assert Inputs(manifest).row(second.features) == (250, 1, "web", 34)
    assert (first.transaction_id, second.transaction_id) == ("order-4711/0", "order-4711/1")
    assert (first.currency, first.entities) == ("EUR", {"customer": "c-17"})
    assert (first.amount_minor, first.event_time.tzinfo) == (0, UTC)


def test_the_limits_are_those_of_the_code() -> None:
    limits = Limits()
    assert f"{limits.batch_items:,} in up to {limits.batch_bytes >> 20} MiB" in TEXT
    assert (
        f"({limits.body_bytes >> 10} KiB; batches and tensors {limits.batch_bytes >> 20} MiB)"
        in TEXT
    )
    assert f"complete after {limits.body_seconds:g} s" in TEXT


def test_every_problem_is_listed() -> None:
    listed = set(re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", TEXT, re.MULTILINE))
    kinds = [kind for kind in vars(problem).values() if isinstance(kind, Kind)]
    assert listed == {(str(kind.status), kind.slug) for kind in kinds}


def test_every_metric_is_listed(tmp_path: Path) -> None:
    ships = Shipping([], 0.0, Spool(tmp_path, 1))
    listed = set(re.findall(r"^\| `(fraud_scorer_\w+)` \|", TEXT, re.MULTILINE))
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Exposition((), lambda: True, more=lambda: spooling.shown(ships)).collect()
    }
    assert listed == names


def test_the_report_is_as_the_code_counts() -> None:
    (held,) = reports.decode(EXAMPLES["Report"].encode()).held
    assert held.counts is not None
    assert len(held.counts.scores) == reports.SCORE_BINS
    assert len(held.counts.latencies) == len(reports.LATENCY_EDGES) + 1
    shown = ", ".join(f"{edge:g}" for edge in reports.LATENCY_EDGES)
    assert f"{shown}, and above" in " ".join(TEXT.split())
