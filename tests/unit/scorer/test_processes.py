"""Several serving processes and their parent: as one service, whoever of them dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fraud_scorer.counters import SharedCounters
from fraud_scorer.http import supervisor
from fraud_scorer.http.children import Child
from fraud_scorer.http.supervisor import Place, Supervisor
from tests.unit.scorer.process import PATIENCE, Process, command, serving
from tests.unit.scorer.support import publish_to, transaction

pytestmark = pytest.mark.slow

BODY = json.dumps(transaction()).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    publish_to(store)
    return store / "v1"


class Service:
    """A service that became ready."""

    def __init__(self, process: Process) -> None:
        self.process = process
        ready = process.logged("ready")
        self.host, port = ready["listen"].split(":")
        self.port = int(port)
        self.management = f"http://{ready['management']}"

    def score(self) -> httpx.Response:
        """Ask over a connection of its own, which any of the processes may get."""
        return httpx.post(f"http://{self.host}:{self.port}/v1/score", json=transaction())

    def metric(self, name: str) -> dict[str, float]:
        """A metric's samples, by the values of their labels."""
        text = httpx.get(f"{self.management}/metrics").text
        return {
            " ".join(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    def becomes(self, what: Callable[[], bool]) -> None:
        """Wait until it is so."""

        async def wait() -> None:
            async with asyncio.timeout(PATIENCE):
                while not what():  # noqa: ASYNC110 -- it is another process's doing
                    await asyncio.sleep(0.02)

        asyncio.run(wait())

    def ready(self) -> bool:
        return httpx.get(f"{self.management}/health/ready").status_code == 200


def test_all_processes_answer(folder: Path) -> None:
    with serving(folder, "--processes=2", "--drain=0") as process:
        service = Service(process)
        assert len(process.children()) == 2
        answered = 0
        while min(service.metric("fraud_scorer_process_cpu_seconds_total").values()) == 0:
            answered += 1
            assert service.score().status_code == 200
        for _ in range(40):
            assert service.score().status_code == 200
        counted = service.metric("fraud_scorer_requests_total")
        assert counted == {"/v1/score 200": answered + 40}
        process.process.terminate()
        assert process.ended() == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_process_that_is_killed_is_replaced(folder: Path, processes: int) -> None:
    with serving(folder, f"--processes={processes}", "--drain=0") as process:
        service = Service(process)
        for _ in range(20):
            assert service.score().status_code == 200
        clients = [socket.create_connection((service.host, service.port)) for _ in range(8)]
        for client in clients:
            client.sendall(request(BODY)[:-5])  # under way when the process dies
        service.becomes(lambda: service.metric("fraud_scorer_requests_in_flight")[""] == 8)
        before = service.metric("fraud_scorer_requests_total")

        old = process.children()
        os.kill(old[0], signal.SIGKILL)
        ended = process.logged("a serving process ended and is replaced")
        assert ended["code"] == -signal.SIGKILL
        process.logged("ready")
        assert service.ready()
        new = process.children()
        assert len(new) == processes
        assert old[0] not in new

        after = service.metric("fraud_scorer_requests_total")
        assert after["/v1/score 200"] == before["/v1/score 200"]
        assert service.metric("fraud_scorer_requests_in_flight")[""] < 8
        assert sum(service.metric("fraud_scorer_process_restarts_total").values()) == 1
        for _ in range(20):
            assert service.score().status_code == 200
        counted = service.metric("fraud_scorer_requests_total")["/v1/score 200"]
        assert counted == before["/v1/score 200"] + 20
        for client in clients:
            client.close()


def test_a_request_under_way_is_answered_at_the_end(folder: Path) -> None:
    with serving(folder, "--processes=2", "--drain=0") as process:
        service = Service(process)
        clients = [socket.create_connection((service.host, service.port)) for _ in range(8)]
        for client in clients:
            client.sendall(request(BODY)[:-5])
        service.becomes(lambda: service.metric("fraud_scorer_requests_in_flight")[""] == 8)
        process.process.terminate()
        for _ in range(2):
            process.logged("closing")
        for client in clients:
            client.sendall(BODY[-5:])
            answer = client.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"connection: close" in answer
            client.close()
        assert process.ended() == 0


def test_nobody_is_left_when_the_parent_is_killed(folder: Path) -> None:
    with serving(folder, "--processes=2", "--drain=0") as process:
        service = Service(process)
        children = process.children()
        process.process.kill()
        service.becomes(lambda: not any(Path(f"/proc/{one}").exists() for one in children))


def test_what_one_process_refuses_ends_the_whole(tmp_path: Path) -> None:
    publish_to(tmp_path)
    model = next((tmp_path / "v1").glob("model.fdm"))
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    log = tmp_path / "termination-log"
    with serving(tmp_path / "v1", "--processes=2", f"--termination-log={log}") as process:
        assert process.ended() == 3
    assert json.loads(log.read_bytes())["reason"] == "DigestMismatch"


def test_a_verdict_that_cannot_be_written_is_a_verdict(tmp_path: Path) -> None:
    publish_to(tmp_path)
    model = tmp_path / "v1" / "model.fdm"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    log = tmp_path / "missing" / "termination-log"
    with serving(tmp_path / "v1", f"--termination-log={log}") as process:
        assert process.logged("termination log cannot be written")["file"] == str(log)
        assert process.ended() == 3


def test_a_folder_that_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    ports = ("--listen=127.0.0.1:0", "--management=127.0.0.1:0")
    done = command("serve", folder, *ports, "--data=none", f"--work-dir={missing}")
    assert done.returncode == 1
    assert f"fraud-scorer: {missing}" in done.stderr


def test_two_services_do_not_share_an_address(folder: Path) -> None:
    with serving(folder, "--drain=0") as process:
        service = Service(process)
        where = f"{service.host}:{service.port}"
        done = command(
            "serve", folder, f"--listen={where}", "--management=127.0.0.1:0", "--data=none"
        )
        assert done.returncode == 1
        assert f"cannot listen on {where}" in done.stderr


def request(body: bytes) -> bytes:
    head = "POST /v1/score HTTP/1.1\r\nHost: scorer\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


# ---- the parent, with processes that do as the test says


def doing(code: str) -> Callable[[int], Child]:
    """Processes of Python that have their control socket as `control`."""

    def start(_: int) -> Child:
        ours, theirs = socket.socketpair()
        with theirs:
            given = f"import socket; control = socket.socket(fileno={theirs.fileno()}); {code}"
            process = subprocess.Popen([sys.executable, "-c", given], pass_fds=(theirs.fileno(),))
        return Child(process, ours)

    return start


READY = b'{"type":"ready","model":"m","version":"v1","digest":"d","revision":"r"}\n'


async def supervised(code: str, ended: Callable[[Supervisor, Place], bool]) -> tuple[int, Place]:
    """Supervise such a process until the parent ends, or the test has seen enough."""
    start = doing(code)
    place = Place(0, SharedCounters(1).slots[0], start, start(0))
    parent = Supervisor([place], {})
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        running = asyncio.create_task(parent.run(bound, drain=0, shutdown=1))
        async with asyncio.timeout(60):
            while not running.done():
                await asyncio.sleep(0.01)
                if ended(parent, place):
                    os.kill(os.getpid(), signal.SIGTERM)
                    break
            return await running, place


@pytest.mark.parametrize(("code", "expected"), [(1, 1), (3, 3), (0, 1)])
async def test_a_process_that_was_never_ready_ends_the_whole(code: int, expected: int) -> None:
    found, place = await supervised(f"raise SystemExit({code})", lambda *_: False)
    assert (found, place.restarts) == (expected, 0)


async def test_a_refusal_ends_the_whole_at_any_time() -> None:
    found, place = await supervised(
        f"control.send({READY!r}); raise SystemExit(3)", lambda *_: False
    )
    assert (found, place.restarts) == (3, 0)


async def test_a_service_without_one_of_its_processes_is_not_ready(tmp_path: Path) -> None:
    """The one that takes the place of the dead one never gets ready."""
    seen: list[str] = []

    def without(parent: Supervisor, place: Place) -> bool:
        if parent.readiness.ready:
            place.signal(signal.SIGKILL)
        if place.restarts and place.process_id is not None:
            seen.append(parent.readiness.reason)
        return len(seen) > 20

    mark = str(tmp_path / "was-ready")
    await supervised(
        f"import os, time; os.path.isdir({mark!r}) or"
        f" (os.mkdir({mark!r}), control.send({READY!r})); time.sleep(60)",
        without,
    )
    assert set(seen) == {"ProcessEnded"}


async def test_a_process_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_HUNG_SECONDS", 0.1)

    def replaced(parent: Supervisor, place: Place) -> bool:
        if parent.readiness.ready and place.restarts == 0:
            place.slot.heartbeat = 1.0  # long ago
        return place.restarts == 1

    found, place = await supervised(
        f"control.send({READY!r}); import time; time.sleep(60)", replaced
    )
    assert (found, place.restarts) == (0, 1)


async def test_a_process_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_MARGIN_SECONDS", 0.1)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    found, _ = await supervised(
        f"{deaf} control.send({READY!r}); time.sleep(60)",
        lambda parent, _: parent.readiness.ready,
    )
    assert found == 0
