"""Building the cluster's binaries from Go modules, once a machine, with visible progress.

A build is kept in the cache under a key of everything that goes into it. It is made in a folder of
its own and renamed into place, so that a build that was cut off leaves nothing that looks finished;
a lock keeps two from building the same thing at once.
"""

import hashlib
import platform
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster.locks import only_one
from tests.cluster.paths import GO, Release, cache_folder
from tests.cluster.progress import say
from tests.cluster.toolchain import environment, go, version_text

TICK_SECONDS = 10.0
NODE_ONLY = "node.go"


class BuildError(Exception):
    """A build failed; the message ends with what the compiler said."""


def kube(release: Release) -> Path:
    """The one binary of a Kubernetes release (see go/main.go), built unless it is in the cache."""
    sources = [GO / "main.go", GO / "control_plane.go"]
    if release.has_node:
        sources.append(GO / NODE_ONLY)
    sources += [release.module / "go.mod", release.module / "go.sum"]
    major, minor, _ = release.version.removeprefix("v").split(".")
    # Without these the API server says v0.0.0, and clients believe it.
    flags = f"-s -w -X k8s.io/client-go/pkg/version.gitVersion={release.version}"
    for field, value in ("Version", release.version), ("Major", major), ("Minor", minor):
        flags += f" -X k8s.io/component-base/version.git{field}={value}"
    return _built(f"kube-{release.version}", "kube", sources, flags)


def node_helper() -> Path:
    """The static program that pause containers and volume helpers run (see go/node-helper)."""
    folder = GO / "node-helper"
    return _built("node-helper", "node-helper", [folder / "go.mod", folder / "main.go"], "-s -w")


def status_readers() -> Path:
    """What kstatus and Argo CD make of an object's status (see go/readers)."""
    folder = GO / "readers"
    sources = [folder / "go.mod", folder / "go.sum", folder / "main.go"]
    return _built("status-readers", "readers", sources, "-s -w")


def installed(name: str, package: str) -> Path:
    """The binary `name` of `package` ("path/of/package@version"), by `go install`."""

    def install(folder: Path) -> None:
        target = {**environment(), "GOBIN": str(folder)}
        command = [str(go()), "install", "-v", "-trimpath", "-ldflags", "-s -w", package]
        _run_go(command, folder, target, f"building {package}", total=None)

    return _cached(f"{name}-{_digest([package, *_platform()])}", name, install)


def _built(label: str, output: str, sources: Sequence[Path], flags: str) -> Path:
    def compile_in(folder: Path) -> None:
        for source in sources:
            shutil.copy(source, folder)
        command = [str(go()), "build", "-v", "-trimpath", "-ldflags", flags, "-o", output, "."]
        listing = subprocess.run(
            [str(go()), "list", "-deps", "."],
            cwd=folder, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if listing.returncode != 0:
            raise BuildError(f"go list for {label} failed:\n{listing.stderr.strip()[-3000:]}")
        total = len(listing.stdout.splitlines())
        _run_go(command, folder, environment(), f"building {label}", total)

    contents = [source.name + "\n" + source.read_text() for source in sources]
    return _cached(f"{label}-{_digest([*contents, flags, *_platform()])}", output, compile_in)


def _platform() -> list[str]:
    return [platform.machine(), version_text(go())]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _cached(key: str, output: str, make: Callable[[Path], None]) -> Path:
    folder = cache_folder() / "bin"
    kept = folder / key / output
    if kept.exists():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / f".{key}.lock", key):
        if kept.exists():
            return kept
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{key}-") as temporary:
            make(Path(temporary))
            ready = Path(temporary) / ".ready"
            ready.mkdir()
            (Path(temporary) / output).rename(ready / output)
            shutil.rmtree(kept.parent, ignore_errors=True)
            ready.rename(kept.parent)
    return kept


def _run_go(
    command: list[str], folder: Path, env: dict[str, str], what: str, total: int | None
) -> None:
    """Run a `go … -v`, which names each package that it compiles, and show how far it is."""
    say(f"-- {what}" + (f" ({total} packages, minutes when none is cached)" if total else ""))
    began = time.monotonic()
    lines: list[str] = []
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(TICK_SECONDS):
            compiled = sum(1 for line in lines if not line.startswith("go: "))
            seconds = time.monotonic() - began
            of_total = f" of at most {total}" if total else ""
            at = lines[-1][:70] if lines else "starting, or linking"
            say(f"   … {what}: {seconds:4.0f} s, {compiled}{of_total} packages compiled; {at}")

    threading.Thread(target=tick, daemon=True).start()
    assert process.stderr is not None
    try:
        for line in process.stderr:
            lines.append(line.rstrip())
        code = process.wait()
    finally:
        ended.set()
        if process.poll() is None:
            process.terminate()
            process.wait()
    if code != 0:
        raise BuildError(f"{what} failed:\n" + "\n".join(lines[-25:]))
    say(f"   {what}: took {time.monotonic() - began:.1f} s")
