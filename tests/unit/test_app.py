"""How the process ends."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from fraud_operator import app
from fraud_operator.app import _unless
from fraud_operator.runtime.settings import Settings


async def test_what_was_told_to_stop_begins_nothing() -> None:
    begun = False

    async def begin() -> None:
        nonlocal begun
        begun = True

    stop = asyncio.Event()
    assert await _unless(stop, begin())
    assert begun
    begun = False
    stop.set()
    assert not await _unless(stop, begin())
    await asyncio.sleep(0)
    assert not begun


def test_a_port_that_is_taken_ends_it_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_spare_the_collector", lambda: None)
    monkeypatch.setattr(app.logs, "configure", lambda *_: None)
    config = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = taken.getsockname()[:2]
        settings = Settings(scorer_image="x", kubeconfig=str(path), listen=listen)
        assert app.run(settings) == 1
    assert caplog.messages[-1].startswith(f"cannot listen on 127.0.0.1:{listen[1]}")
