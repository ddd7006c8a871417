"""The corpus through the engine as it is built, and mutations of it through a sanitised build."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from fraud_scorer.engine import FormatError, load
from tests.unit.engine import oracle

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "scorer/fraud_scorer/engine/csrc"
CORPUS = sorted((HERE / "corpus").glob("*.fdm"))
EXECUTIONS = 300_000


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus(path: Path) -> None:
    """A seed opens and scores; what the fuzzer found is refused, or opens and scores."""
    data = path.read_bytes()
    try:
        model = load(data, verify=False)
    except FormatError:
        assert path.stem.startswith("found-")
        return
    rows = [[None if one.type == "number" else "?"] * len(model.inputs) for one in model.inputs]
    assert len(model.score_rows(rows)) == len(rows)


def test_the_corpus_uses_every_operation() -> None:
    files = [oracle.parse(p.read_bytes()) for p in CORPUS if not p.stem.startswith("found-")]
    used = {int(op["code"]) for file in files for op in file.sections[1]}
    assert used == set(oracle.OPERATIONS)


def test_small_changes_never_crash() -> None:
    """Each byte of the headers and the program changed, through the Python module."""
    data = next(p for p in CORPUS if p.stem == "tree-stump").read_bytes()
    for at in range(len(data)):
        for change in (0x01, 0xFF):
            broken = bytearray(data)
            broken[at] ^= change
            broken[32:64] = hashlib.sha256(broken[64:]).digest()
            try:
                model = load(bytes(broken))
            except FormatError:
                continue
            model.score_rows([[1.0] * len(model.inputs)])


@pytest.mark.long
def test_mutations_under_sanitizers(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler, "a C compiler built the engine"
    program = tmp_path / "fuzz_loader"
    sources = [str(p) for p in sorted(CSRC.glob("*.c")) if p.name != "module.c"]
    flags = ["-std=gnu11", "-O1", "-g", "-ffp-contract=off", "-fno-omit-frame-pointer"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DFUZZ_MAIN"]
    subprocess.run(
        [
            compiler,
            *flags,
            f"-I{CSRC}",
            str(HERE / "fuzz_loader.c"),
            *sources,
            "-lm",
            "-o",
            program,
        ],
        check=True,
    )
    seed = 1
    done = subprocess.run(
        [program, str(HERE / "corpus"), str(seed), "0", str(EXECUTIONS)],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, end="")
    assert done.returncode == 0, done.stderr[-4000:]
