"""What the documentation points at must be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"))
    if path.is_file()
)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
PATH = re.compile(r"`((?:operator|scorer|tests|examples|charts|crds|docs)/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = CODE.sub("", text)
    links = [target for target in LINK.findall(prose) if not (page.parent / target).exists()]
    paths = [target for target in PATH.findall(text) if not (ROOT / target).exists()]
    assert not links, f"links of {page.name} to nothing"
    assert not paths, f"paths in {page.name} that are not there"


@pytest.mark.parametrize("package", ["operator/fraud_operator", "scorer/fraud_scorer"])
def test_the_code_map_has_every_room(package: str) -> None:
    """A new package is one that a reader must be able to find."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    code_map = text.split("## Code map")[1].split("```")[1]
    after = code_map.split(f"{package}/")[1]
    rooms = [path.parent.name for path in (ROOT / package).glob("*/__init__.py")]
    assert [room for room in rooms if f"    {room}/" not in after] == []
