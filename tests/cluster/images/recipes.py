"""The images: what each is made of, how large it may be, and building only what has changed."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.build import BuildError
from tests.cluster.images import base
from tests.cluster.images.builder import Builder, builder
from tests.cluster.locks import only_one
from tests.cluster.paths import cache_folder
from tests.cluster.progress import say, step
from tests.cluster.tools import tool

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class ProjectImage:
    """An image of this repository, made from a Dockerfile at its root on the base image."""

    name: str
    limit_megabytes: float  # unpacked, above the base image

    @property
    def dockerfile(self) -> Path:
        return ROOT / f"Dockerfile.{self.name}"

    def build(self, builder: Builder, tag: str) -> bool:
        """Bring the image up to date; True where that took a build."""
        base_tag = base.ensure(builder)
        inputs = _hash([self.dockerfile, *self._sources()], builder.image_id(base_tag))
        if builder.inputs(tag) == inputs:
            return False
        with step(f"image {self.name}"):
            builder.build(self.dockerfile, ROOT, tag, {"BASE_IMAGE": base_tag}, inputs)
            _weigh(self, builder, tag, base_tag)
        return True

    def _sources(self) -> Iterator[Path]:
        """What .dockerignore lets into the context, less the lock file of the other image."""
        yield from (
            ROOT / name for name in (".dockerignore", "LICENSE", "pyproject.toml", "setup.py")
        )
        yield from (ROOT / "locks/build.txt", ROOT / f"locks/{self.name}.txt")
        for package in ("operator", "scorer"):
            for path in sorted((ROOT / package).rglob("*")):
                built = path.suffix == ".so" or "__pycache__" in path.parts
                if path.is_file() and not built:
                    yield path


@dataclass(frozen=True)
class BinaryImage:
    """A static program on an empty image."""

    name: str
    program: str

    def build(self, builder: Builder, tag: str) -> bool:
        """Bring the image up to date; True where that took a build."""
        binary = tool(self.program)
        dockerfile = HERE / f"Dockerfile.{self.name}"
        inputs = _hash([dockerfile, binary])
        if builder.inputs(tag) == inputs:
            return False
        with step(f"image {self.name}"), tempfile.TemporaryDirectory() as context:
            shutil.copy(binary, Path(context, self.program))
            builder.build(dockerfile, Path(context), tag, {}, inputs)
        return True


@dataclass(frozen=True)
class StoreImage:
    """A stand-in for an official image: Debian's package on the base image, the same contract."""

    name: str
    version: str  # as a tag; the base has it in its Debian
    limit_megabytes: float

    @property
    def dockerfile(self) -> Path:
        return HERE / f"Dockerfile.{self.name}"

    def build(self, builder: Builder, tag: str) -> bool:
        """Bring the image up to date; True where that took a build."""
        base_tag = base.ensure(builder)
        entrypoint = HERE / f"{self.name}-entrypoint.sh"
        inputs = _hash([self.dockerfile, entrypoint], builder.image_id(base_tag))
        if builder.inputs(tag) == inputs:
            return False
        with step(f"image {self.name}"), tempfile.TemporaryDirectory() as context:
            shutil.copy(entrypoint, context)
            builder.build(self.dockerfile, Path(context), tag, {"BASE_IMAGE": base_tag}, inputs)
            _weigh(self, builder, tag, base_tag)
        return True


PROJECT = (
    ProjectImage("operator", limit_megabytes=200),
    ProjectImage("scorer", limit_megabytes=400),
    BinaryImage("bucket", program="versitygw"),
)
STORES = (
    StoreImage("redis", version="8.0", limit_megabytes=40),
    StoreImage("postgres", version="17", limit_megabytes=200),
)
IMAGES = (*PROJECT, *STORES)
NAMES = tuple(image.name for image in IMAGES)
PROJECT_NAMES = tuple(image.name for image in PROJECT)
STORE_NAMES = tuple(image.name for image in STORES)
"""Built only where they are named, as few tests need them."""


def tag_of(name: str) -> str:
    """The tag under which pods name an image, such as localhost/fraudops/operator:dev or, of a
    store, localhost/fraudops/postgres:17."""
    version = {image.name: image.version for image in STORES}.get(name, "dev")
    return f"localhost/fraudops/{name}:{version}"


def repository_of(name: str) -> str:
    """The same without the part that says which version."""
    return tag_of(name).rpartition(":")[0]


def build(names: Iterable[str] = ()) -> list[str]:
    """Bring the named images, or all but the stores', up to date and return their names, in the
    order of NAMES.

    Raises BuildError for an unknown name, a failed build, or an image over its size limit.
    """
    wanted = set(names) or set(PROJECT_NAMES)
    if unknown := wanted - set(NAMES):
        raise BuildError(
            f"No image is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}."
        )
    chosen = [image for image in IMAGES if image.name in wanted]
    cache_folder().mkdir(parents=True, exist_ok=True)
    for image in chosen:
        with only_one(cache_folder() / ".images.lock", f"image {image.name}"):
            if not image.build(builder(), tag_of(image.name)):
                say(f"-- image {image.name}: unchanged")
    return [image.name for image in chosen]


def _weigh(image: ProjectImage | StoreImage, builder: Builder, tag: str, base_tag: str) -> None:
    total = builder.megabytes(tag)
    above = total - builder.megabytes(base_tag)
    size = f"{total:.0f} MB unpacked, {above:.0f} MB of them above the base image"
    say(f"   image {image.name}: {size} (limit {image.limit_megabytes:.0f})")
    if above > image.limit_megabytes:
        builder.remove(tag)  # or it would pass for up to date the next time
        raise BuildError(
            f"{tag} is too large: {size}, and the limit is {image.limit_megabytes:.0f} MB.\n"
            f"Take something out in {image.dockerfile.name}."
        )


def _hash(files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    for text in more:
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()
