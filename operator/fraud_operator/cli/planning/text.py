"""A plan as text: each object with its fields, then the pods, then what to know about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fraud_operator.cli.planning.differences import Difference
from fraud_operator.cli.planning.report import Change, Pods, Report
from fraud_operator.cli.terminal import Style, columns, printable

_MARK = {"create": "+", "change": "~", "remove": "-", "none": " ", "refused": "!"}
_FIELD_MARK = {"add": "+", "change": "~", "remove": "-"}
_LONGEST_VALUE = 72
_WIDEST_PATH = 72
_MOST_PODS = 10


def lines(reports: Iterable[Report], style: Style) -> Iterator[str]:
    """All reports."""
    for number, report in enumerate(reports):
        if number:
            yield ""
        yield from _report(report, style)


def _report(report: Report, style: Style) -> Iterator[str]:
    yield style.bold(f"FraudDetector {report.namespace}/{report.name}")
    yield ""
    for change in (report.resource, *report.children):
        yield from _change(change, style)
    pods = list(_pods(report.pods, style))
    for title, said, paint in (
        ("Models", report.models, str),
        ("Pods", pods, str),
        ("Problems", report.problems, style.bad),
        ("Assumed", report.assumed, style.warn),
        ("Notes", report.notes, str),
    ):
        if said:
            yield ""
            yield style.bold(title)
            for text in said:
                first, *rest = str(text).split("\n")
                yield f"  {paint(printable(first))}"
                yield from (f"    {printable(line)}" for line in rest)
    yield ""
    yield style.bold(_summary(report))


def _change(change: Change, style: Style) -> Iterator[str]:
    paint = _paint(change.action, style)
    verb = {"none": "stays as it is", "refused": "cannot be applied"}.get(
        change.action, f"{change.action}"
    )
    yield paint(f"{_MARK[change.action]} {change.kind} {change.name}: {verb}")
    if change.message:
        unchecked = "" if change.checked else "not checked by the API server: "
        yield style.warn(f"    {unchecked}{printable(change.message)}")
    shown = [one for one in change.fields if not _said_of_all(change, one)]
    for one, line in zip(shown, columns(map(_field, shown), most=_WIDEST_PATH), strict=True):
        yield "    " + _paint(one.action, style)(line)


def _said_of_all(change: Change, one: Difference) -> bool:
    """Labels and owner are the same for every child: what is created has them, no more is said."""
    return (
        change.kind != "FraudDetector"
        and change.action == "create"
        and one.path.startswith(("metadata.labels[", "metadata.ownerReferences["))
    )


def _field(one: Difference) -> tuple[str, str]:
    values = {
        "add": _value(one.after),
        "remove": _value(one.before),
        "change": f"{_value(one.before)} -> {_value(one.after)}",
    }
    return f"{_FIELD_MARK[one.action]} {printable(one.path)}", values[one.action]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) and value.startswith("(") else json.dumps(value)
    if len(text) > _LONGEST_VALUE:
        text = f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"
    return printable(text)


def _pods(pods: Pods, style: Style) -> Iterator[str]:
    if pods.restart:
        named = ", ".join(pods.restart[:_MOST_PODS])
        more = len(pods.restart) - _MOST_PODS
        yield (
            f"{_count(len(pods.restart), 'pod')} replaced one by one, none before another is ready:"
            f" {named}" + (f" and {more} more" if more > 0 else "")
        )
        yield "because these fields of their template change:\n" + "\n".join(pods.because)
    elif pods.wanted_before is not None:
        yield "no pod restarts"
    if pods.autoscaler is not None:
        yield "an autoscaler decides how many there are, from {} to {}".format(*pods.autoscaler)
    before, after = pods.wanted_before or 0, pods.wanted_after or 0
    if after > before:
        yield f"{_count(after - before, 'pod')} started, for {after} in all"
    elif before > after:
        yield f"{_count(before - after, 'pod')} stopped, for {after} in all"


def _summary(report: Report) -> str:
    if not report.changes and not report.problems:
        return "No changes."
    counts = {
        action: sum(one.action == action for one in (report.resource, *report.children))
        for action in ("create", "change", "remove", "refused")
    }
    refused = counts.pop("refused")
    said = [f"{count} to {action}" for action, count in counts.items() if count]
    if refused:
        said.append(f"{refused} cannot be applied")
    restarts = len(report.pods.restart)
    ending = f"; {_count(restarts, 'pod')} restart" if restarts else "; no pod restarts"
    problem = " It cannot be carried out as it is: see Problems." if report.problems else ""
    return f"Plan: {', '.join(said) or 'no changes'}{ending}.{problem}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _paint(action: str, style: Style) -> Any:
    return {
        "create": style.good, "add": style.good, "change": style.warn, "remove": style.bad,
        "refused": style.bad, "none": style.dim,
    }[action]  # fmt: skip
