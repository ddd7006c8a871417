"""The report for people: one HTML page that needs nothing else, with no script in it.

Everything that comes from a manifest, a model or a store is text here, escaped where it enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from fraud_scorer.verification import chart
from fraud_scorer.verification.chart import percent
from fraud_scorer.verification.findings import (
    CHECKS,
    DECISIONS,
    Decisions,
    Findings,
    Judged,
    Labelled,
    Moved,
    Other,
    Scores,
)

_STILL = 0.001
_MARKS = ((0.1, "0.1 moved"), (0.25, "0.25 far"))
_TEMPLATE = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))


def render(found: Findings) -> bytes:
    """The page, in UTF-8."""
    parts = [_head(found), _facts(found), _checks(found)]
    if found.scores is not None:
        parts.append(_scores(found, found.scores))
    if found.decisions is not None:
        parts.append(_decisions(found, found.decisions))
    if found.labelled is not None:
        parts.append(_labelled(found.labelled))
    if found.active is not None and found.shape is not None:
        parts.append(_moved(found.moved, found.active))
    parts.append(
        "<footer>Made when the version was verified, before any pod served it. Transactions were"
        " sampled, each feature by itself: shares are estimates, no counts of traffic.</footer>"
    )
    name = f"{found.model} {found.version}".strip()
    page = _TEMPLATE.substitute(
        title=escape(f"{name}: {found.outcome}"), body="\n".join(part for part in parts if part)
    )
    return page.encode()


def _head(found: Findings) -> str:
    said = f"<p>{escape(found.message)}</p>" if found.message else ""
    why = f" · {escape(found.reason)}" if found.outcome == "Refused" else ""
    return (
        f"<header><h1>{escape(found.model)} {escape(found.version)}</h1>"
        f'<span class="badge {found.outcome}">{found.outcome}{why}</span></header>{said}'
    )


def _facts(found: Findings) -> str:
    facts = []
    if shape := found.shape:
        facts = [
            ("Trained with", shape.framework),
            ("Created", found.created_at.replace("T", " ").replace("+00:00", " UTC")),
            ("Size", f"{shape.bytes:,} bytes"),
            ("Inputs", f"{shape.inputs:,}"),
            ("Trees", f"{shape.trees:,} with {shape.nodes:,} nodes" if shape.trees else "none"),
            ("Against its library", shape.exactness),
            ("Reasons", "yes" if shape.reasons else "no"),
        ]
        if limits := shape.thresholds:
            facts.append(("Thresholds", f"review {limits.review}, decline {limits.decline}"))
    if found.active is not None:
        facts.append(("Serves now", found.active.version))
    shown = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts)
    digests = "".join(
        f'<p class="mono soft">{name} {escape(digest)}</p>'
        for name, digest in (("source", found.source), ("model", found.digest))
        if digest
    )
    return f"<section><dl>{shown}</dl>{'<br>' if shown else ''}{digests}</section>"


def _checks(found: Findings) -> str:
    shown = "".join(
        f'<li class="{one.outcome}"><div>{escape(CHECKS.get(one.name, one.name))}'
        f"{f'<small>{escape(one.said)}</small>' if one.said else ''}</div></li>"
        for one in found.checks
    )
    return f"<section><h2>What was checked</h2><ol>{shown}</ol></section>"


def _scores(found: Findings, scores: Scores) -> str:
    thresholds = found.shape.thresholds if found.shape else None
    key = f'<span><i style="background:var(--candidate)"></i>{escape(found.version)}</span>'
    note = f"{scores.rows:,} transactions, sampled from {escape(scores.origin)}."
    if scores.weighted:
        note += " Each counts by how frequent its score was where this version was published."
    if scores.active is not None and found.active is not None:
        key += (
            '<span><i class="line" style="background:var(--active)"></i>'
            f"{escape(found.active.version)}, which serves now</span>"
        )
    if scores.psi is not None:
        note += (
            f" Population stability index {scores.psi:.3f}"
            " (below 0.1 alike, above 0.25 another distribution)."
        )
    if found.active is not None and found.active.missing:
        note += f" Nothing to compare with: {escape(found.active.missing)}."
    drawn = chart.distribution(scores.candidate, scores.active, thresholds)
    return (
        f'<section><h2>Scores</h2><p class="note">{note}</p><div class="key">{key}</div>'
        f"{drawn}</section>"
    )


def _decisions(found: Findings, decisions: Decisions) -> str:
    rows = [("this version", list(zip(DECISIONS, decisions.candidate, strict=True)))]
    said = ""
    if decisions.active is not None and decisions.changed is not None and found.active:
        rows.insert(0, ("serves now", list(zip(DECISIONS, decisions.active, strict=True))))
        said = (
            f'<p><span class="big">{percent(decisions.changed)}</span> of the transactions would be'
            " decided otherwise than now.</p>"
        )
    key = "".join(f'<span><i style="background:var(--{one})"></i>{one}</span>' for one in DECISIONS)
    return (
        f'<section><h2>Decisions</h2>{said}<div class="key">{key}</div>{chart.shares(rows)}'
        f"{_moves(decisions.moves)}</section>"
    )


def _moves(moves: Sequence[Sequence[float]]) -> str:
    if not moves:
        return ""
    head = "".join(f"<th>{one}</th>" for one in DECISIONS)
    rows = ""
    for i, (name, row) in enumerate(zip(DECISIONS, moves, strict=True)):
        cells = "".join(
            f'<td class="{"same" if i == j or not share else "changed"}">{percent(share)}</td>'
            for j, share in enumerate(row)
        )
        rows += f"<tr><th>now {name}</th>{cells}</tr>"
    return f"<table><thead><tr><th>would be</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _labelled(labelled: Labelled) -> str:
    def row(name: str, judged: Judged) -> str:
        cells = "".join(
            f"<td>{'none' if one is None else percent(one)}</td>"
            for one in (judged.precision, judged.recall)
        )
        return f"<tr><th>{name}</th>{cells}</tr>"

    rows = row("this version", labelled.candidate)
    if labelled.active is not None:
        rows += row("serves now", labelled.active)
    return (
        '<section><h2>Golden transactions with labels</h2><p class="note">'
        f"{labelled.fraud:,} frauds and {labelled.genuine:,} genuine ones; caught is what is"
        " reviewed or declined.</p>"
        "<table><thead><tr><th></th><th>precision</th><th>recall</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _moved(moved: Sequence[Moved], active: Other) -> str:
    if not moved:
        return ""
    if moved[0].psi < _STILL:
        return (
            '<section><h2>Features that moved</h2><p class="note">None: what this version was'
            f" published with is distributed as that of {escape(active.version)}.</p></section>"
        )
    drawn = chart.bars([(one.feature, one.psi) for one in moved], _MARKS)
    return (
        '<section><h2>Features that moved</h2><p class="note">Population stability index of what'
        f" this version was published with against {escape(active.version)}, the"
        f" {len(moved)} that moved most.</p>{drawn}</section>"
    )
