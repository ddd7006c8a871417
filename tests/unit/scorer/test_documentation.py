"""The examples in docs/scorer.md are what the code takes and gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fraud_scorer import problem
from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact import plan as plans
from fraud_scorer.metrics import Metrics
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
    "Verdict": strictly(Verdict),
    "Manifest": manifests.decode,
    "ModelPlan": plans.decode,
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


def test_every_problem_is_listed() -> None:
    listed = set(re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", TEXT, re.MULTILINE))
    kinds = [kind for kind in vars(problem).values() if isinstance(kind, Kind)]
    assert listed == {(str(kind.status), kind.slug) for kind in kinds}


def test_every_metric_is_listed() -> None:
    listed = set(re.findall(r"^\| `(fraud_scorer_\w+)` \|", TEXT, re.MULTILINE))
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Metrics().registry.collect()
        if family.name.startswith("fraud_scorer_")
    }
    assert listed == names
