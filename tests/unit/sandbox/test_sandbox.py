"""A model file is code: what it can do while it is compiled, and what comes back of it."""

from __future__ import annotations

import socket
import sys
import textwrap
from pathlib import Path
from typing import Any

import joblib
import pytest

from fraud_scorer.compile import compile_model
from fraud_scorer.sandbox import CompileError, Limits, compile_file, seccomp
from tests.unit.scorer.support import FEATURES, GOLDEN, NUMBERS, classifier, linear

pytestmark = pytest.mark.slow

confined = pytest.mark.skipif(not seccomp.available(), reason="no filter for this machine")


class Code:
    """An object whose loading runs something."""

    def __init__(self, text: str) -> None:
        self.text = textwrap.dedent(text)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, (self.text,)


def stored(tmp_path: Path, what: object) -> Path:
    path = tmp_path / "model.joblib"
    joblib.dump(what, path)
    return path


def test_a_model_is_compiled_as_it_is_anywhere_else(tmp_path: Path) -> None:
    path = stored(tmp_path, classifier())
    compiled = compile_file(path, FEATURES, reference=GOLDEN)
    rows = [tuple(row[one.name] for one in FEATURES) for row in GOLDEN]
    assert compiled.data == compile_model(classifier(), FEATURES, positive=1, reference=rows)
    assert compiled.model.explains
    assert "limits" in compiled.confined_by
    assert ("seccomp" in compiled.confined_by) == seccomp.available()


ATTEMPTS = """
    import fcntl, os, socket
    os.environ["HARMLESS"] = "allowed"
    allowed = []

    def attempt(what, scope={{"fcntl": fcntl, "os": os, "socket": socket}}, allowed=allowed):
        try:
            exec(what, scope)
        except OSError:
            return
        allowed.append(what)

    attempt("socket.create_connection(('127.0.0.1', {port}))")
    attempt("socket.socket(socket.AF_UNIX)")
    attempt("open({victim!r}, 'w')")
    attempt("open({victim!r}, 'a')")
    attempt("open({victim!r} + '.new', 'x')")
    attempt("os.unlink({victim!r})")
    attempt("os.rename({victim!r}, {victim!r} + '.moved')")
    attempt("os.chmod({victim!r}, 0)")
    attempt("os.truncate({victim!r}, 0)")
    attempt("os.mkdir({victim!r} + '.folder')")
    attempt("os.kill(os.getppid(), 0)")
    attempt("fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())")
    attempt("fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)")
    attempt("os.fork()")
    attempt("os.execv('/bin/true', ['true'])")
    attempt("os.posix_spawn('/bin/true', ['true'], {{}})")
    attempt("os.pipe()")
    attempt("os.memfd_create('x')")
    attempt("os.setuid(0)")
    assert open({victim!r}).read() == "precious"
    if "SECRET" in os.environ:
        allowed.append("environment")
    raise RuntimeError(f"allowed: {{allowed}}")
"""


@confined
def test_it_reads_and_computes_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        path = stored(tmp_path, Code(ATTEMPTS.format(port=port, victim=str(victim))))
        with pytest.raises(CompileError, match=r"RuntimeError: allowed: \[\]"):
            compile_file(path, NUMBERS)
    assert victim.read_text() == "precious"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model.joblib", "victim"]


@pytest.mark.parametrize(
    ("code", "limits", "message"),
    [
        ("x = bytearray(8 << 30)", Limits(memory_bytes=4 << 30), "needs more memory"),
        ("while True: pass", Limits(seconds=4), "was not done after 4 s"),
        ("while True: pass", Limits(cpu_seconds=8), "it took more than 8 s of CPU time"),
        ("import os; os._exit(0)", Limits(), "ended without a word"),
        ("import ctypes; ctypes.string_at(0)", Limits(), "ended by SIGSEGV"),
        (
            """
            import os
            for fd in range(3, 4096):
                try:
                    os.write(fd, b"+and this is no model")
                except OSError:
                    pass
            os._exit(0)
            """,
            Limits(),
            "what came out is no compiled model",
        ),
    ],
)
def test_whatever_it_does_there_is_an_answer(
    tmp_path: Path, code: str, limits: Limits, message: str
) -> None:
    with pytest.raises(CompileError, match=message):
        compile_file(stored(tmp_path, Code(code)), NUMBERS, limits=limits)


def test_what_cannot_be_compiled_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"features: 4 given; the model was fitted on 2 columns"):
        compile_file(stored(tmp_path, linear()), FEATURES)
    (tmp_path / "model.joblib").write_bytes(b"no pickle")
    with pytest.raises(CompileError, match="the file cannot be loaded"):
        compile_file(tmp_path / "model.joblib", NUMBERS)


@pytest.mark.skipif(sys.platform != "linux", reason="headers of Linux")
@pytest.mark.parametrize(
    ("header", "column"), [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)]
)
def test_system_calls_have_the_numbers_of_the_kernels_headers(header: str, column: int) -> None:
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"no {path}")
    found: dict[str, int] = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 3 and words[1].startswith("__NR") and words[2].isdecimal():
            name = words[1].removeprefix("__NR_").removeprefix("__NR3264_")
            found.setdefault(name, int(words[2]))
    for name, numbers in seccomp.ALLOWED.items():
        number = numbers[column]
        if number is not None:
            aliases = {"newfstatat": "fstatat"}
            assert found.get(name, found.get(aliases.get(name, ""))) == number, name
