"""What buildah's own moments of weakness cost: another try, and no more than a few."""

from pathlib import Path

import pytest

from tests.cluster.build import BuildError
from tests.cluster.images.builder import BUSY, BUSY_TRIES, Buildah


@pytest.fixture
def tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a program called buildah notes each time that it was run; it fails, as `complaint` says
    beside it, until it was run as often as `succeeds` says."""
    program = tmp_path / "buildah"
    program.write_text(
        f"""#!/bin/sh
        echo run >> {tmp_path}/tries
        test "$(wc -l < {tmp_path}/tries)" -ge "$(cat {tmp_path}/succeeds)" && exit 0
        cat {tmp_path}/complaint
        exit 1
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "tries"


def build(folder: Path, *, complaint: str, succeeds: int) -> None:
    (folder / "complaint").write_text(complaint)
    (folder / "succeeds").write_text(str(succeeds))
    Buildah(folder).build(folder / "Dockerfile", folder, "localhost/a:dev", {}, "inputs")


def test_a_busy_kernel_is_asked_again(tmp_path: Path, tries: Path) -> None:
    build(tmp_path, complaint=f"Close_Fd {BUSY}", succeeds=BUSY_TRIES)
    assert tries.read_text().count("run") == BUSY_TRIES


def test_one_that_stays_busy_is_given_up(tmp_path: Path, tries: Path) -> None:
    with pytest.raises(BuildError, match="sealing memfd copy"):
        build(tmp_path, complaint=f"Close_Fd {BUSY}", succeeds=BUSY_TRIES + 1)
    assert tries.read_text().count("run") == BUSY_TRIES


def test_a_build_that_is_wrong_is_not_tried_again(tmp_path: Path, tries: Path) -> None:
    with pytest.raises(BuildError, match="no such file"):
        build(tmp_path, complaint="COPY: no such file", succeeds=2)
    assert tries.read_text().count("run") == 1
