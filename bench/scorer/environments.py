"""An environment of its own for each peer, outside the work tree, made once and reused.

What goes into it is pinned in peers/NAME.txt, made from peers/NAME.in (bench/README.md says how).
An environment is good when it says that it was made from these very pins by this Python.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster.locks import only_one
from tests.cluster.paths import cache_folder
from tests.cluster.progress import step

PINS = Path(__file__).with_name("peers")
_MADE_FROM = ".made-from"
_CHOSEN_FOR_OTHERS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Work-arounds for old builds of OpenBLAS: they slow down the ones that are installed here."""


class NotInstallableError(Exception):
    """A peer cannot be had on this machine; the message is the installer's."""


def environment(name: str, pins: Path = PINS) -> Path:
    """The folder with the peer's commands. Raises NotInstallableError."""
    home, pinned = cache_folder() / "bench-peers" / name, pins / f"{name}.txt"
    key = hashlib.sha256(sys.version.encode() + pinned.read_bytes()).hexdigest()
    home.parent.mkdir(parents=True, exist_ok=True)
    with only_one(home.with_suffix(".lock"), f"the environment of {name}"):
        made_from = home / _MADE_FROM
        if not made_from.exists() or made_from.read_text() != key:
            with step(f"installing {name} from its pins"):
                _install(pinned, home)
            made_from.write_text(key)
    return home / "bin"


def variables(commands: Path | None = None) -> dict[str, str]:
    """What a measured process is started with: one thread, and none of this machine's choices."""
    plain = {name: value for name, value in os.environ.items() if name not in _CHOSEN_FOR_OTHERS}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        plain[name] = "1"
    if commands is not None:
        plain["PATH"] = f"{commands}{os.pathsep}{plain.get('PATH', os.defpath)}"
    return plain


def _install(pinned: Path, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "--quiet", "--python", str(home), "--requirement", str(pinned)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(home, ignore_errors=True)
            raise NotInstallableError(_reason(done.stderr))


def _reason(said: str) -> str:
    lines = [line.strip(" \u00d7\u2570\u2500\u25b6\u2502\u251c") for line in said.splitlines()]
    return "; ".join(line for line in lines if line)[:300] or "the installer said nothing"
