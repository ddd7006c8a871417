"""Building images: only what changed, on one base, and nothing too large."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cluster.build import BuildError
from tests.cluster.images import base, recipes
from tests.cluster.images.recipes import ProjectImage, StoreImage

OPERATOR = "localhost/fraudops/operator:dev"
OPERATOR_CODE = "operator/fraud_operator/app.py"
AT_THE_ROOT = (".dockerignore", "LICENSE", "pyproject.toml", "setup.py", "Dockerfile.operator")
LOCKS = ("locks/build.txt", "locks/operator.txt", "locks/scorer.txt")


class Shelf:
    """A builder that keeps what it was told to build, and gives every image the same size."""

    def __init__(self, megabytes: float = 150.0) -> None:
        self.built: list[str] = []
        self.labels = {base.TAG: base._key()}
        self._megabytes = megabytes

    def build(
        self, dockerfile: Path, context: Path, tag: str, args: Mapping[str, str], inputs: str
    ) -> None:
        self.built.append(tag)
        self.labels[tag] = inputs

    def pull(self, reference: str) -> bool:
        raise AssertionError("the base image is there already")

    def inputs(self, tag: str) -> str:
        return self.labels.get(tag, "")

    def image_id(self, tag: str) -> str:
        return f"id of {self.labels[tag]}"

    def megabytes(self, tag: str) -> float:
        return 100.0 if tag == base.TAG else 100.0 + self._megabytes

    def remove(self, tag: str) -> None:
        del self.labels[tag]

    def export(self, tag: str, archive: Path) -> None:
        raise AssertionError("nothing is exported here")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository that has all that goes into the operator's image, and more."""
    for name in (*AT_THE_ROOT, *LOCKS, OPERATOR_CODE, "scorer/fraud_scorer/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    monkeypatch.setattr(recipes, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def image() -> ProjectImage:
    return ProjectImage("operator", limit_megabytes=200)


@pytest.mark.usefixtures("tree")
def test_an_unchanged_tree_builds_nothing(image: ProjectImage) -> None:
    shelf = Shelf()
    assert image.build(shelf, OPERATOR)
    assert not image.build(shelf, OPERATOR)
    assert shelf.built == [OPERATOR]


@pytest.mark.parametrize(
    "changed", [OPERATOR_CODE, "setup.py", "locks/operator.txt", "Dockerfile.operator"]
)
def test_a_change_of_what_goes_in_builds_again(
    image: ProjectImage, tree: Path, changed: str
) -> None:
    shelf = Shelf()
    image.build(shelf, OPERATOR)
    with (tree / changed).open("a") as file:
        file.write("\n# changed\n")
    assert image.build(shelf, OPERATOR)


@pytest.mark.parametrize(
    "elsewhere", ["locks/scorer.txt", "operator/fraud_operator/x.so", "README"]
)
def test_what_does_not_go_in_builds_nothing(
    image: ProjectImage, tree: Path, elsewhere: str
) -> None:
    shelf = Shelf()
    image.build(shelf, OPERATOR)
    (tree / elsewhere).write_text("anything\n")
    assert not image.build(shelf, OPERATOR)


@pytest.mark.usefixtures("tree")
def test_another_base_builds_again(image: ProjectImage, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    image.build(shelf, OPERATOR)
    monkeypatch.setattr(base, "_key", lambda: "of another recipe")
    shelf.labels[base.TAG] = "of another recipe"
    assert image.build(shelf, OPERATOR)


@pytest.mark.usefixtures("tree")
def test_an_image_over_its_limit_is_refused_again_and_again(image: ProjectImage) -> None:
    shelf = Shelf(megabytes=201)
    for _ in range(2):
        with pytest.raises(BuildError, match=r"301 MB unpacked, 201 MB .* limit is 200 MB"):
            image.build(shelf, OPERATOR)


def test_a_store_is_built_anew_for_its_own_recipe_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Dockerfile.redis", "redis-entrypoint.sh", "Dockerfile.postgres"):
        (tmp_path / name).write_text(f"# {name}\n")
    monkeypatch.setattr(recipes, "HERE", tmp_path)
    shelf, tag = Shelf(megabytes=8), recipes.tag_of("redis")
    image = StoreImage("redis", version="8.0", limit_megabytes=40)
    assert image.build(shelf, tag)
    (tmp_path / "Dockerfile.postgres").write_text("# changed\n")
    assert not image.build(shelf, tag)
    (tmp_path / "redis-entrypoint.sh").write_text("# changed\n")
    assert image.build(shelf, tag)
    assert shelf.built == ["localhost/fraudops/redis:8.0"] * 2


def test_stores_are_built_only_where_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "builder", Shelf)
    for kind in (ProjectImage, recipes.BinaryImage, StoreImage):
        monkeypatch.setattr(kind, "build", lambda *_: True)
    assert recipes.build() == ["operator", "scorer", "bucket"]
    assert recipes.build(recipes.STORE_NAMES) == ["redis", "postgres"]


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(BuildError, match="No image is called mysql; there are operator"):
        recipes.build(["mysql"])
