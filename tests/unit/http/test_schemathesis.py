"""The description of the API, tried out by schemathesis on the running service."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from fraud_scorer.http.limits import Limits
from fraud_scorer.registry.loaded import LoadedModel
from tests.support import closing
from tests.unit.http.support import scorer

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


async def tried(model: LoadedModel, tmp_path: Path, *options: str) -> tuple[int, str]:
    """The exit code and what schemathesis printed."""
    async with scorer(model, limits=Limits(batch_items=8)) as running:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli"),
            f"--config-file={HERE / 'schemathesis.toml'}",
            *("--no-color", "run", f"http://127.0.0.1:{running.port}/openapi.json", "--seed=1"),
            *(f"--report-json-path={tmp_path / 'report.json'}", *options),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()


async def check(model: LoadedModel, tmp_path: Path, examples: int) -> None:
    """Let it look for failures, and tell at the end of the run what it did."""
    code, output = await tried(model, tmp_path, f"--max-examples={examples}")
    print(output)
    assert code == 0
    report = json.loads((tmp_path / "report.json").read_text())
    operations, cases = report["operations"], report["test_cases"]
    assert operations["tested"] == operations["total"] > 0
    closing.say(
        "schemathesis against the running service",
        [
            f"{operations['tested']} of {operations['total']} operations,"
            f" {cases['generated']} requests, {cases['with_failures']} failures"
        ],
    )


async def test_it_finds_nothing(model: LoadedModel, tmp_path: Path) -> None:
    await check(model, tmp_path, examples=8)


@pytest.mark.long
async def test_it_finds_nothing_with_patience(model: LoadedModel, tmp_path: Path) -> None:
    await check(model, tmp_path, examples=300)
