"""The program that builds images: docker where an engine answers, otherwise buildah.

Both build the same Dockerfiles. buildah keeps its store under the cache and not in the machine's,
needs root, and builds without containers (isolation chroot), because a machine without an engine
seldom lets one make them.
"""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.cluster import prerequisites
from tests.cluster.build import BuildError
from tests.cluster.paths import cache_folder

INPUTS_LABEL = "fraudops.io/inputs"
BUSY = "sealing memfd copy: Device or resource busy"
"""What buildah says when the kernel holds a page of its copy of itself a moment longer (seen once,
under load). Nothing of the build is to blame, and its finished layers stay."""
BUSY_TRIES = 3


class Builder(Protocol):
    """What building needs. Tags are full names such as localhost/fraudops/operator:dev."""

    def build(
        self, dockerfile: Path, context: Path, tag: str, args: Mapping[str, str], inputs: str
    ) -> None:
        """Build `tag` and label it with `inputs`. Raises BuildError with the tail of the log."""

    def pull(self, reference: str) -> bool:
        """Fetch an image by its public name; False where no registry has it or answers in time."""

    def inputs(self, tag: str) -> str:
        """The label that `build` gave, or "" where there is no such image."""

    def image_id(self, tag: str) -> str:
        """The digest of the image's configuration, without the prefix "sha256:"."""

    def megabytes(self, tag: str) -> float:
        """Size on disk, unpacked, in 10^6 bytes."""

    def remove(self, tag: str) -> None:
        """Take the name from an image."""

    def export(self, tag: str, archive: Path) -> None:
        """Write the image as a docker-archive that containerd and docker can import."""


PULL_SECONDS = 60
#: Commands and the Debian packages that have them; the latter make a base image.
WITHOUT_DOCKER = {"buildah": "buildah"}
WITHOUT_REGISTRY = {"debootstrap": "debootstrap", "unshare": "util-linux"}


class Docker:
    """Images in the store of the Docker engine that answers."""

    def build(
        self, dockerfile: Path, context: Path, tag: str, args: Mapping[str, str], inputs: str
    ) -> None:
        _run(["docker", "build", *_build_options(dockerfile, tag, args, inputs), str(context)])

    def pull(self, reference: str) -> bool:
        return _answers(["docker", "pull", "--quiet", reference])

    def inputs(self, tag: str) -> str:
        return self._inspect(tag, f'{{{{index .Config.Labels "{INPUTS_LABEL}"}}}}')

    def image_id(self, tag: str) -> str:
        return self._inspect(tag, "{{.Id}}").removeprefix("sha256:")

    def megabytes(self, tag: str) -> float:
        return int(self._inspect(tag, "{{.Size}}")) / 1e6

    def remove(self, tag: str) -> None:
        _run(["docker", "rmi", tag])

    def export(self, tag: str, archive: Path) -> None:
        _run(["docker", "save", "--output", str(archive), tag])

    def _inspect(self, tag: str, template: str) -> str:
        return _output(["docker", "image", "inspect", "--format", template, tag])


class Buildah:
    """Images in a store of their own under `store`."""

    def __init__(self, store: Path) -> None:
        self._buildah = ["buildah", "--root", str(store / "root"), "--runroot", str(store / "run")]

    def build(
        self, dockerfile: Path, context: Path, tag: str, args: Mapping[str, str], inputs: str
    ) -> None:
        options = ["--layers", "--isolation", "chroot", "--network", "host"]
        options += _build_options(dockerfile, tag, args, inputs)
        command = [*self._buildah, "bud", *options, str(context)]
        for _ in range(BUSY_TRIES - 1):
            try:
                _run(command)
            except BuildError as error:
                if BUSY not in str(error):
                    raise
            else:
                return
        _run(command)

    def pull(self, reference: str) -> bool:
        return _answers([*self._buildah, "pull", "--quiet", f"docker://{reference}"])

    def inputs(self, tag: str) -> str:
        return self._inspect(tag, f'{{{{index .Docker.Config.Labels "{INPUTS_LABEL}"}}}}')

    def image_id(self, tag: str) -> str:
        return self._inspect(tag, "{{.FromImageID}}")

    def megabytes(self, tag: str) -> float:
        listing: list[dict[str, str]] = json.loads(
            _output([*self._buildah, "images", "--json", tag]) or "[]"
        )
        number, unit = listing[0]["size"].split()
        return float(number) * {"KB": 1e-3, "MB": 1.0, "GB": 1e3}[unit.upper()]

    def remove(self, tag: str) -> None:
        _run([*self._buildah, "rmi", tag])

    def export(self, tag: str, archive: Path) -> None:
        # An archive that exists is refused, not overwritten.
        archive.unlink(missing_ok=True)
        _run([*self._buildah, "push", "--quiet", tag, f"docker-archive:{archive}:{tag}"])

    def _inspect(self, tag: str, template: str) -> str:
        return _output([*self._buildah, "inspect", "--type", "image", "--format", template, tag])


@functools.cache
def builder() -> Builder:
    """The builder of this machine, asked once a process."""
    if docker_answers():
        return Docker()
    if os.geteuid() != 0:
        raise BuildError(
            "Images need a Docker engine that this user may use, or root (then buildah makes them)."
        )
    require_packages(WITHOUT_DOCKER, "Building images without a Docker engine")
    return Buildah(cache_folder() / "containers")


@functools.cache
def docker_answers() -> bool:
    """Whether there is a Docker engine that this user may use."""
    return shutil.which("docker") is not None and _answers(["docker", "version"])


def require_packages(commands: Mapping[str, str], who: str) -> None:
    """See that commands (name: Debian package) are here, or install them, or raise BuildError."""
    missing = prerequisites.missing_of(commands)
    if missing and not prerequisites.installed(missing, who):
        raise BuildError(
            f"{who} needs {' and '.join(missing)}: {prerequisites.install_command(missing)}"
        )


def _build_options(dockerfile: Path, tag: str, args: Mapping[str, str], inputs: str) -> list[str]:
    options = ["--file", str(dockerfile), "--tag", tag, "--label", f"{INPUTS_LABEL}={inputs}"]
    for name, value in args.items():
        options += ["--build-arg", f"{name}={value}"]
    return options


def _run(command: list[str]) -> None:
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-40:])
        raise BuildError(f"{' '.join(command)}\nended with {result.returncode}:\n{tail}")


def _answers(command: list[str]) -> bool:
    try:
        result = subprocess.run(command, capture_output=True, timeout=PULL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0


def _output(command: list[str]) -> str:
    """Standard output without its line end; "" where the command fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""
