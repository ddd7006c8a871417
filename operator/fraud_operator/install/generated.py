"""Every file of the repository that is made from the models, and whether it is up to date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fraud_operator.api.crd import RESOURCES, crd
from fraud_operator.api.frauddetector import GROUP
from fraud_operator.install import chart
from fraud_operator.install.documents import HEADER, document
from fraud_operator.install.reference import reference

_CHART = "charts/fraudops"


def crds() -> dict[str, str]:
    """Every CRD by file name."""
    return {
        f"{resource.plural}.{GROUP}.yaml": HEADER + document(crd(resource))
        for resource in RESOURCES
    }


def files() -> dict[str, str]:
    """Every generated file: its path from the root of the repository, and its text."""
    made = {f"crds/{name}": text for name, text in crds().items()}
    made |= {f"{_CHART}/crds/{name}": text for name, text in crds().items()}
    made |= {f"{_CHART}/templates/{name}": text for name, text in chart.templates().items()}
    made |= {
        f"docs/reference/{resource.kind.lower()}.md": reference(resource) for resource in RESOURCES
    }
    return made


def outdated(root: Path) -> list[str]:
    """Paths that are missing below `root`, or say something else."""
    return [path for path, text in files().items() if _text(root / path) != text]


def write(root: Path, made: Mapping[str, str]) -> list[str]:
    """Write what differs below `root`; the paths that were written."""
    written = [path for path, text in made.items() if _text(root / path) != text]
    for path in written:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(made[path], encoding="utf-8")
    return written


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
