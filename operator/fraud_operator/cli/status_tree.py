"""The tree that `kubectl fraud status` draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fraud_operator.cli.terminal import Style, Tree, columns, printable

_ABNORMAL = frozenset({"Reconciling", "Stalled", "Contended", "Suspended", "UpgradeAvailable"})
"""Conditions that are out of the ordinary when they are True."""
_MOST_PODS = 12
_TROUBLE = frozenset({"Stalled", "Contended"})


def tree(found: Mapping[str, Any], style: Style) -> Tree:
    """`found` is what `fraud_status.summary` made."""
    conditions = {one["type"]: one for one in found["conditions"]}
    root = Tree(
        style.bold(f"FraudDetector {found['namespace']}/{found['name']}")
        + "  "
        + _headline(found, conditions.get("Ready"), style)
    )
    _model(root, found["model"], style)
    _effective(root, found, style)
    _children(root, found, style)
    _conditions(root, found["conditions"], style)
    return root


def _headline(found: Mapping[str, Any], ready: Mapping[str, Any] | None, style: Style) -> str:
    if found["deleting"]:
        return style.warn("is being deleted")
    if ready is None:
        return style.warn("the operator has not seen it yet: is it running? kubectl fraud doctor")
    if not ready["current"]:
        return style.warn("the operator has not seen the latest change of the spec yet")
    paint = {"True": style.good, "False": style.bad}.get(ready["status"], style.warn)
    word = {"True": "Ready", "False": "not ready"}.get(ready["status"], "not ready yet")
    return f"{paint(word)} ({ready['reason']})"


def _model(root: Tree, model: Mapping[str, Any], style: Style) -> None:
    rows = list(_models(model))
    branch = root.add(style.bold("Model"))
    if not rows:
        branch.add(style.warn("none yet"))
    paints = {
        "active": style.good,
        "candidate": style.warn,
        "verifying": style.warn,
        "inconclusive": style.warn,
        "quarantined": style.bad,
    }
    lines = _table([row[:3] for row in rows])
    for (what, _, _, note), line in zip(rows, lines, strict=True):
        text = paints.get(what, str)(line)
        branch.add(f"{text}\n{style.dim(printable(note))}" if note else text)
    for line in _said(model, style):
        branch.add(line)
    if available := model.get("available"):
        branch.add(style.dim(f"in the store: {printable(', '.join(available))}"))


def _models(model: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What it is, version, digest, and what there is to say of it."""
    if version := model.get("activeVersion"):
        since = f"since {model['activeSince']}" if "activeSince" in model else ""
        yield "active", version, model.get("activeDigest", ""), since
    if version := model.get("candidateVersion"):
        yield "candidate", version, model.get("candidateDigest", ""), _trial(model)
    if good := model.get("lastKnownGood"):
        yield "last known good", good["version"], good["digest"], ""
    for one in model.get("versions") or ():
        if one["state"] in ("Verifying", "Inconclusive"):
            note = ": ".join(part for part in (one.get("reason"), one.get("message")) if part)
            yield one["state"].lower(), one["version"], one.get("digest", ""), note
    for entry in model.get("quarantined") or ():
        note = f"{entry['reason']} since {entry['since']}: {entry['message']}"
        yield "quarantined", entry["version"], entry["digest"], note


def _trial(model: Mapping[str, Any]) -> str:
    """How far the candidate is."""
    candidate = model.get("candidate") or {}
    if not candidate:
        return ""
    state = candidate["state"]
    said = [f"{state} since {candidate['since']}"]
    if "step" in candidate:
        said.append(f"step {candidate['step']} of {candidate['steps']}")
    if "share" in candidate:
        said.append(f"{candidate['share']} % of all transactions")
    text = ", ".join(said)
    return f"{text}: {candidate['message']}" if candidate.get("message") else text


def _said(model: Mapping[str, Any], style: Style) -> Iterator[str]:
    """What pods and people have to do with it."""
    pods = model.get("pods") or {}
    if pods:
        all_of_them = pods["confirmed"] == pods["total"]
        text = f"{pods['confirmed']} of {pods['total']} pods follow plan {pods['serial']}"
        yield str(text) if all_of_them else style.warn(text)
    if isolated := pods.get("isolated"):
        yield style.bad(f"out of the Service until they confirm: {printable(', '.join(isolated))}")
    if held := model.get("heldBack"):
        why = f": {held['reason']}" if held.get("reason") else ""
        yield style.warn(
            printable(
                f"version {held['against']} is held back by {held['by']}{why};"
                " kubectl fraud promote takes it after all"
            )
        )
    if request := model.get("request"):
        paint = style.good if request["outcome"] == "Done" else style.bad
        outcome = request["outcome"].lower()
        yield paint(
            printable(f"last request: {request['action']}, {outcome}: {request['message']}")
        )


def _effective(root: Tree, found: Mapping[str, Any], style: Style) -> None:
    effective = found["effective"]
    if not effective:
        return
    scorer, capacity = effective["scorer"], effective["capacity"]
    scaling = effective.get("autoscaling")
    requests, limits = scorer["resources"]["requests"], scorer["resources"]["limits"]
    scoring = effective["scoring"]
    thresholds = scoring["thresholds"]
    pods = (
        f"{scaling['minReplicas']}..{scaling['maxReplicas']}, scaled at CPU"
        f" {scaling['cpuUtilization']}%, memory {scaling['memoryUtilization']}%"
        if scaling
        else str(scorer.get("replicas", 0))
    )
    rows = [
        ("pods", pods),
        (
            "each",
            f"CPU {requests['cpu']} (limit {limits.get('cpu', 'none')}),"
            f" memory {requests['memory']} (limit {limits['memory']})",
        ),
        (
            "sized for",
            f"{capacity['transactionsPerDay']:,} transactions a day,"
            f" {capacity['tpsBudget']:,} a second",
        ),
        ("thresholds", f"review {thresholds['review']}, decline {thresholds['decline']}"),
        ("reasons", f"up to {scoring['reasons']} where not approved"),
        ("image", scorer["image"]),
    ]
    if connections := effective.get("connections"):
        rows.append(("connections", _connections(connections)))
    if found["endpoint"]:
        rows.append(("endpoint", found["endpoint"]))
    branch = root.add(style.bold("Effective"))
    for line in _table(rows):
        branch.add(line)


def _connections(found: Mapping[str, Any]) -> str:
    each = f"{found['history']} for histories and {found['lookups']} for look-ups a process"
    return f"up to {found['used']} of {found['allowed']} to Postgres: {each}"


def _children(root: Tree, found: Mapping[str, Any], style: Style) -> None:
    branch = root.add(style.bold("Children"))
    if not found["children"]:
        branch.add(style.warn("none yet"))
    _parts(branch, found["children"], style)
    for kind, reason in found["unseen"].items():
        branch.add(style.warn(f"{kind}: cannot be read: {printable(reason)}"))


def _parts(branch: Tree, parts: Iterable[Mapping[str, Any]], style: Style) -> None:
    parts = list(parts)
    lines = _table([(f"{part['kind']}/{part['name']}", part["message"]) for part in parts])
    for part, line in zip(parts, lines, strict=True):
        paint = {True: style.good, False: style.bad}.get(part["ready"], str)
        mark = {True: "✓", False: "✗"}.get(part["ready"], "·")
        _pods(branch.add(f"{paint(mark)} {line}"), part.get("pods") or (), style)


def _pods(branch: Tree, pods: Iterable[Mapping[str, Any]], style: Style) -> None:
    """Those with trouble first; of a large fleet only some."""
    pods = sorted(pods, key=lambda pod: (bool(pod["ready"]), pod["name"]))
    _parts(branch, pods[:_MOST_PODS], style)
    if more := pods[_MOST_PODS:]:
        ready = sum(bool(pod["ready"]) for pod in more)
        branch.add(style.dim(f"{len(more)} more pods, {ready} of them ready"))


def _conditions(root: Tree, conditions: Iterable[Mapping[str, Any]], style: Style) -> None:
    conditions = list(conditions)
    if not conditions:
        return
    branch = root.add(style.bold("Conditions"))
    lines = _table([(one["type"], one["status"], one["reason"]) for one in conditions])
    for one, line in zip(conditions, lines, strict=True):
        old = "" if one["current"] else style.warn("  (of an older spec)")
        branch.add(f"{_paint(one, style)(line)}{old}\n{style.dim(printable(one['message']))}")


def _paint(condition: Mapping[str, Any], style: Style) -> Any:
    type_, status = condition["type"], condition["status"]
    if status == "Unknown":
        return style.warn
    if type_ in _ABNORMAL:
        if status == "False":
            return style.good
        return style.bad if type_ in _TROUBLE else style.warn
    return style.good if status == "True" else style.bad


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    return columns([printable(cell) for cell in row] for row in rows)
