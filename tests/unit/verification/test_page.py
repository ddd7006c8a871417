"""The report's page: whole by itself, and whatever is in a manifest is text in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from fraud_scorer.artifact.manifest import Thresholds
from fraud_scorer.verification import chart, page
from fraud_scorer.verification.findings import (
    Check,
    Decisions,
    Findings,
    Judged,
    Labelled,
    Moved,
    Other,
    Scores,
    Shape,
)

EVIL = """"><script>alert(1)</script><img src=x onerror='alert(2)'>$body ${title} &amp;"""
THRESHOLDS = Thresholds(review="0.50", decline="0.90")


def found(text: str = "v2") -> Findings:
    """Everything that a report can have, with that text wherever somebody else chooses it."""
    return Findings(
        schema_version=1,
        outcome="Refused",
        reason="TooSlow",
        message=text,
        version=text,
        source=text,
        model=text,
        digest=text,
        created_at=text,
        checks=(
            Check(name="files", outcome="passed", said=text),
            Check(name="speed", outcome="failed", said=text),
            Check(name="scores", outcome="skipped", said=text),
        ),
        shape=Shape(
            framework=text,
            exactness=text,
            bytes=1,
            inputs=1,
            trees=3,
            nodes=9,
            reasons=True,
            thresholds=THRESHOLDS,
        ),
        active=Other(version=text, digest=text, thresholds=THRESHOLDS, missing=text),
        scores=Scores(
            rows=100,
            origin=text,
            weighted=True,
            candidate=(0.9, 0.0, 0.1),
            active=(0.0, 1.0, 0.0),
            psi=0.2,
        ),
        decisions=Decisions(
            candidate=(0.9, 0.1, 0.0),
            active=(0.0, 0.5, 0.5),
            moves=((0.1, 0.2, 0.3), (0.1, 0, 0), (0, 0.05, 0.25)),
            changed=0.25,
        ),
        labelled=Labelled(
            fraud=2, genuine=3, candidate=Judged(precision=None, recall=0.5), active=Judged()
        ),
        moved=(Moved(feature=text, psi=0.3), Moved(feature="b", psi=0.0)),
    )


class Elements(HTMLParser):
    """What a browser makes of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_whatever_somebody_chose_is_text() -> None:
    ordinary, evil = (Elements(page.render(found(text)).decode()) for text in ("v2", EVIL))
    assert evil.tags == ordinary.tags
    assert [name for name, _ in evil.attributes] == [name for name, _ in ordinary.attributes]
    assert EVIL in evil.texts
    assert "script" not in evil.tags
    assert "img" not in evil.tags


def test_it_needs_nothing_else() -> None:
    html = page.render(found()).decode()
    names = {name for name, _ in Elements(html).attributes}
    assert not names & {"src", "href", "srcset", "data", "action"}
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert "$" not in html


def test_every_drawing_is_well_formed() -> None:
    html = page.render(found(EVIL)).decode()
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(drawings) == 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)  # noqa: S314 -- our own


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.0004, 0.5, 1.0])
def test_bars_stay_in_their_drawing(share: float) -> None:
    drawn = ElementTree.fromstring(  # noqa: S314 -- our own
        chart.distribution((share, 1 - share), (1 - share, share), THRESHOLDS)
    )
    _, _, width, height = map(float, drawn.attrib["viewBox"].split())
    for rect in drawn.iter("rect"):
        x, y, w, h = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


def test_a_report_with_next_to_nothing_is_a_page_too() -> None:
    least = Findings(
        schema_version=1, outcome="Refused", reason="FileMissing", version="v1", source=""
    )
    html = page.render(least).decode()
    assert "Refused" in html
    assert "<svg" not in html


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (1, "100%"), (0.123, "12%"), (0.034, "3.4%"), (0.0007, "0.07%")]
)
def test_shares_are_short(share: float, text: str) -> None:
    assert chart.percent(share) == text
