"""Drawings as inline SVG. Colours come from the page's style, so that they suit light and dark.

Shares are drawn on a logarithmic scale: of most scores there are next to none, and those are the
ones that matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from fraud_scorer.artifact.manifest import Thresholds

_WIDTH, _HEIGHT = 760, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 26, 34
_DECADES = ((1.0, "100%"), (0.1, "10%"), (0.01, "1%"), (0.001, "0.1%"))
_LEAST = 0.0004
_ROW = 26


def distribution(
    candidate: Sequence[float], active: Sequence[float] | None, thresholds: Thresholds | None
) -> str:
    """Scores from 0 to 1: the candidate's as bars, the active version's as a line of steps."""
    parts = [_grid()]
    step = (_WIDTH - _LEFT - _RIGHT) / len(candidate)
    for place, share in enumerate(candidate):
        if share > 0:
            top = _y(share)
            low, high = place / len(candidate), (place + 1) / len(candidate)
            parts.append(
                f'<rect class="candidate" x="{_LEFT + place * step + 1:.1f}" y="{top:.1f}"'
                f' width="{step - 2:.1f}" height="{_HEIGHT - _BOTTOM - top:.1f}" rx="1.5">'
                f"<title>{low:.2f} to {high:.2f}: {percent(share)}</title></rect>"
            )
    if active is not None:
        corners = [f"M{_LEFT} {_y(0):.1f}"]
        for place, share in enumerate(active):
            corners.append(f"V{_y(share):.1f}H{_LEFT + (place + 1) * step:.1f}")
        corners.append(f"V{_y(0):.1f}")
        parts.append(f'<path class="active" d="{"".join(corners)}"/>')
    if thresholds is not None:
        parts += [_limit("review", thresholds.review), _limit("decline", thresholds.decline)]
    return _svg(_WIDTH, _HEIGHT, "Distribution of scores", parts)


def _grid() -> str:
    lines = []
    for share, text in _DECADES:
        y = _y(share)
        lines.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="label" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{text}</text>"
        )
    base = _HEIGHT - _BOTTOM
    lines.append(
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>'
    )
    for tenth in range(0, 11, 2):
        x = _x(tenth / 10)
        lines.append(
            f'<text class="label" x="{x:.1f}" y="{base + 18}" text-anchor="middle">'
            f"{tenth / 10:.1f}</text>"
        )
    return "".join(lines)


def _limit(name: str, value: str) -> str:
    x = _x(float(value))
    near_end = float(value) > 0.85
    anchor, shift = ("end", -5) if near_end else ("start", 5)
    return (
        f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{_HEIGHT - _BOTTOM}"/>'
        f'<text class="label" x="{x + shift:.1f}" y="{_TOP - 10}" text-anchor="{anchor}">'
        f"{name} {escape(value)}</text>"
    )


def _x(score: float) -> float:
    return _LEFT + score * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    height = _HEIGHT - _TOP - _BOTTOM
    part = math.log(max(share, _LEAST) / _LEAST) / math.log(1 / _LEAST)
    return _HEIGHT - _BOTTOM - part * height


def shares(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    """A bar a row, made of its parts: (title, [(class, share), …])."""
    left, width = 110, _WIDTH - 110 - _RIGHT
    parts = []
    for place, (title, pieces) in enumerate(rows):
        y, x = 6 + place * (_ROW + 10), float(left)
        parts.append(
            f'<text class="name" x="{left - 10}" y="{y + 18}" text-anchor="end">'
            f"{escape(title)}</text>"
        )
        for kind, share in pieces:
            wide = share * width
            parts.append(
                f'<rect class="{escape(kind)}" x="{x:.1f}" y="{y}" width="{max(wide, 0):.1f}"'
                f' height="{_ROW}"><title>{escape(kind)} {percent(share)}</title></rect>'
            )
            if wide > 34:
                parts.append(
                    f'<text class="inside" x="{x + wide / 2:.1f}" y="{y + 17.5}"'
                    f' text-anchor="middle">{percent(share)}</text>'
                )
            x += wide
    return _svg(_WIDTH, 6 + len(rows) * (_ROW + 10), "Shares of decisions", parts)


def bars(values: Sequence[tuple[str, float]], marks: Sequence[tuple[float, str]]) -> str:
    """A horizontal bar a value, with lines at the marks. Long names are cut."""
    left, top = 200, 22
    most = max([*(value for _, value in values), *(at for at, _ in marks)]) * 1.08
    scale = (_WIDTH - left - 70) / most
    height = top + len(values) * _ROW + 6
    parts = [
        f'<line class="limit" x1="{left + at * scale:.1f}" x2="{left + at * scale:.1f}"'
        f' y1="{top - 6}" y2="{height}"/>'
        f'<text class="label" x="{left + at * scale:.1f}" y="{top - 10}" text-anchor="middle">'
        f"{escape(text)}</text>"
        for at, text in marks
    ]
    for place, (name, value) in enumerate(values):
        y = top + place * _ROW
        shown = name if len(name) <= 26 else f"{name[:25]}…"
        kind = "far" if value >= marks[-1][0] else "near" if value < marks[0][0] else "between"
        parts.append(
            f'<text class="name" x="{left - 10}" y="{y + 17}" text-anchor="end">{escape(shown)}'
            f"<title>{escape(name)}</title></text>"
            f'<rect class="{kind}" x="{left}" y="{y + 4}" width="{max(value * scale, 1.5):.1f}"'
            f' height="{_ROW - 9}" rx="2"/>'
            f'<text class="label" x="{left + value * scale + 6:.1f}" y="{y + 17}">'
            f"{value:.3f}</text>"
        )
    return _svg(_WIDTH, height, "How far features have moved", parts)


def percent(share: float) -> str:
    """A share in a few characters."""
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    digits = 0 if share >= 0.1 else 1 if share >= 0.01 else 2
    return f"{share * 100:.{digits}f}%"


def _svg(width: int, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
