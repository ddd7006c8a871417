"""A plan as text and as JSON."""

from __future__ import annotations

import json

from fraud_operator.cli.exits import Exit
from fraud_operator.cli.planning.differences import Difference
from fraud_operator.cli.planning.report import Change, Pods, Report
from fraud_operator.cli.planning.text import lines
from fraud_operator.cli.terminal import Style

REPLICAS = Difference("spec.replicas", "change", 2, 3)
IMAGE = Difference("spec.template.spec.containers[scorer].image", "change", "a:1", "a:2")
LABEL = Difference("metadata.labels.app", "add", None, "x")
FULL = Report(
    namespace="fraud",
    name="cards",
    resource=Change("FraudDetector", "cards", "change", [REPLICAS]),
    children=[
        Change("Service", "cards-scorer", "none"),
        Change("Deployment", "cards-scorer", "change", [REPLICAS, IMAGE]),
        Change("ConfigMap", "plan", "create", [Difference("data[a]", "add", None, "x" * 100)]),
        Change("HorizontalPodAutoscaler", "cards-scorer", "remove"),
        Change("ServiceAccount", "cards-scorer", "change", [LABEL], False, "you may not"),
    ],
    pods=Pods(["p1", "p2"], [IMAGE.path], 2, 3),
    assumed=["that the store holds v1"],
)


def text(report: Report) -> str:
    return "\n".join(lines([report], Style()))


def test_everything_is_told() -> None:
    long = json.dumps("x" * 100)[:72]
    assert (
        text(FULL)
        == f"""\
FraudDetector fraud/cards

~ FraudDetector cards: change
    ~ spec.replicas  2 -> 3
  Service cards-scorer: stays as it is
~ Deployment cards-scorer: change
    ~ spec.replicas                                2 -> 3
    ~ spec.template.spec.containers[scorer].image  "a:1" -> "a:2"
+ ConfigMap plan: create
    + data[a]  {long}… (102 characters)
- HorizontalPodAutoscaler cards-scorer: remove
~ ServiceAccount cards-scorer: change
    not checked by the API server: you may not
    + metadata.labels.app  "x"

Pods
  2 pods replaced one by one, none before another is ready: p1, p2
  because these fields of their template change:
    spec.template.spec.containers[scorer].image
  1 pod started, for 3 in all

Assumed
  that the store holds v1

Plan: 1 to create, 3 to change, 1 to remove; 2 pods restart."""
    )


def test_nothing_is_told_shortly() -> None:
    report = Report("fraud", "cards", Change("FraudDetector", "cards", "none"))
    assert text(report).endswith("\n\nNo changes.")
    assert report.verdict == Exit.OK


def test_a_problem_is_told_last() -> None:
    refused = Change("FraudDetector", "cards", "refused")
    report = Report("fraud", "cards", refused, problems=["no such field\nas that"])
    assert "! FraudDetector cards: cannot be applied" in text(report)
    assert "Problems\n  no such field\n    as that" in text(report)
    assert text(report).endswith("It cannot be carried out as it is: see Problems.")
    assert report.verdict == Exit.ERROR


def test_json_is_complete() -> None:
    found = json.loads(json.dumps(FULL.as_json()))
    assert found["result"] == "changes"
    assert found["resource"]["fields"] == [
        {"path": "spec.replicas", "action": "change", "before": 2, "after": 3}
    ]
    assert found["pods"]["restart"] == ["p1", "p2"]
    assert found["children"][4]["checked"] is False
