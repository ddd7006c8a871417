"""The server of a volume as a process: who is let in, what it survives, and what it never gives."""

from __future__ import annotations

import http.server
import json
import os
import pickle
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.plan import VolumeLocation
from fraud_scorer.artifact.store import (
    AccessDenied,
    AlreadyThere,
    CredentialsMissing,
    FileMissing,
    StoreError,
    StoreUnreachable,
    TooLarge,
    Unavailable,
    fetch,
)
from fraud_scorer.artifact.verdict import decode
from fraud_scorer.artifact.volume import VolumeStore
from fraud_scorer.sandbox import seccomp
from tests.support.object_stores import VOLUME_TOKEN, Server, volume_server
from tests.unit.scorer.support import linear
from tests.unit.verification.test_commands import Job

LARGE = os.urandom(5 << 20)
LARGEST = "6Mi"


OPTIONS = (f"--max-file={LARGEST}", "--silence=1")


@dataclass(frozen=True)
class Given:
    """A server, and what a test has of its volume: all of it, or a folder of its own."""

    server: Server
    root: Path
    folder: str = ""

    @property
    def volume(self) -> Path:
        return self.root / "volume" / self.folder

    @property
    def token(self) -> Path:
        return self.root / "token" / "token"

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def store(self) -> VolumeStore:
        return self.store_with(VOLUME_TOKEN)

    def store_with(self, token: str) -> VolumeStore:
        return store_at(self.endpoint, token=token, prefix=self.folder)

    def url(self, path: str) -> str:
        whole = f"{self.folder}/{path}" if self.folder else path
        return f"/v1/files/{quote(whole, safe='')}"

    def partial(self) -> list[Path]:
        return list(self.volume.rglob(".partial-*"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    root = tmp_path_factory.mktemp("shared")
    with volume_server(root, *OPTIONS) as server:
        yield Given(server, root)


@pytest.fixture
def given(shared: Given) -> Given:
    """A server for several tests, and a folder for each."""
    one = replace(shared, folder=f"of-{secrets.token_hex(4)}")
    one.volume.mkdir()
    return one


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Given]:
    """A server that a test may stop, or take something away from."""
    with volume_server(tmp_path, *OPTIONS) as server:
        yield Given(server, tmp_path)


def store_at(endpoint: str, token: str = VOLUME_TOKEN, prefix: str = "") -> VolumeStore:
    return VolumeStore(VolumeLocation(url=endpoint, prefix=prefix), token, attempts=1)


def connected(given: Given, path: str, length: int) -> socket.socket:
    """A connection on which a new file is announced."""
    where = urlsplit(given.endpoint)
    assert where.port is not None
    connection = socket.create_connection(("127.0.0.1", where.port), timeout=20)
    connection.sendall(
        f"PUT {given.url(path)} HTTP/1.1\r\nHost: volume\r\n"
        f"Authorization: Bearer {VOLUME_TOKEN}\r\nIf-None-Match: *\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
    )
    return connection


def until(what: str, true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, f"not within 30 s: {what}"
        time.sleep(0.01)


def test_only_who_has_the_token_is_let_in(given: Given) -> None:
    (given.volume / "v1").mkdir()
    (given.volume / "v1" / "model").write_bytes(b"x")
    stranger = given.store_with("another")
    for ask in (
        stranger.list_versions,
        lambda: list(stranger.list_files("")),
        lambda: stranger.read("v1/model", limit=10),
        lambda: list(stranger.open("v1/model")),
        lambda: stranger.create("v1/new", b"x"),
        lambda: stranger.write("v1/model", b"y"),
        lambda: stranger.delete("v1/model"),
    ):
        with pytest.raises(AccessDenied, match="not the token"):
            ask()
    assert httpx.get(f"{given.endpoint}/v1/folders").status_code == 401
    assert (given.volume / "v1" / "model").read_bytes() == b"x"
    assert not (given.volume / "v1" / "new").exists()


def test_another_token_takes_effect_without_a_restart(own: Given, tmp_path: Path) -> None:
    (tmp_path / "token" / "token").write_text("the-next-token\n")
    assert own.store_with("the-next-token").list_versions() == []
    with pytest.raises(AccessDenied):
        own.store.list_versions()
    (tmp_path / "token" / "token").unlink()
    with pytest.raises(StoreUnreachable, match="no token"):
        own.store_with("the-next-token").list_versions()


@pytest.mark.parametrize("token", ["", "two words", "a\nb", "tökèn"])
def test_a_token_that_cannot_be_sent_is_never_sent(token: str) -> None:
    with pytest.raises(CredentialsMissing, match="delete its Secret") as caught:
        store_at("http://127.0.0.1:1", token=token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["../token/token", "/etc/passwd", "v1/../../token/token", "..", ""]
)
def test_no_path_leads_out(given: Given, path: str) -> None:
    headers = {"Authorization": f"Bearer {VOLUME_TOKEN}"}
    url = httpx.URL(given.endpoint).copy_with(
        raw_path=f"/v1/files/{path.replace('.', '%2E').replace('/', '%2F')}".encode()
    )
    for method in ("GET", "PUT", "DELETE"):
        answer = httpx.request(method, url, headers=headers)
        assert answer.status_code in (400, 404), method
        assert VOLUME_TOKEN not in answer.text
    assert given.token.read_text() == VOLUME_TOKEN


def test_no_link_leads_out(given: Given) -> None:
    (given.volume / "v1").mkdir()
    (given.volume / "v1" / "model.pkl").symlink_to(given.token)
    (given.volume / "v2").symlink_to(given.token.parent)
    for path in ("v1/model.pkl", "v2/token"):
        with pytest.raises(FileMissing):
            given.store.read(path, limit=1000)
    assert given.store.list_versions() == ["v1"]
    assert list(given.store.list_files("")) == []


def test_what_is_copied_into_the_pod_is_there(given: Given, tmp_path: Path) -> None:
    """As `kubectl cp v3 POD:/models` does it: with tar on both sides."""
    (tmp_path / "v3").mkdir(parents=True)
    (tmp_path / "v3" / "model.pkl").write_bytes(b"a model")
    packed = subprocess.run(
        ["tar", "cf", "-", "-C", str(tmp_path), "v3"], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-xmf", "-", "-C", str(given.volume)], input=packed, check=True)
    assert given.store.list_versions() == ["v3"]
    (found,) = given.store.list_files("v3/")
    assert (found.path, found.size) == ("v3/model.pkl", 7)
    (tmp_path / "v3" / "model.pkl").write_bytes(b"another")
    packed = subprocess.run(
        ["tar", "cf", "-", "-C", str(tmp_path), "v3"], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-xmf", "-", "-C", str(given.volume)], input=packed, check=True)
    (again,) = given.store.list_files("v3/")
    assert again.etag != found.etag


def test_a_client_that_leaves_in_the_middle_leaves_nothing(given: Given) -> None:
    connection = connected(given, "v1/model", len(LARGE))
    connection.sendall(LARGE[: 2 << 20])
    until("it is being written", lambda: bool(given.partial()))
    assert list(given.store.list_files("")) == []
    connection.close()
    until("what was written is gone", lambda: not given.partial())
    with pytest.raises(FileMissing):
        given.store.read("v1/model", limit=10)
    given.store.create("v1/model", b"x")


def test_a_client_that_stops_sending_is_given_up(given: Given) -> None:
    with closing(connected(given, "v1/model", len(LARGE))) as connection:
        connection.sendall(LARGE[: 1 << 20])
        assert b" 408 " in connection.recv(1000)
    until("what was written is gone", lambda: not given.partial())


def test_a_server_that_is_killed_in_the_middle_has_all_of_a_file_or_nothing(
    own: Given, tmp_path: Path
) -> None:
    connection = connected(own, "v1/model", len(LARGE))
    connection.sendall(LARGE[: 2 << 20])
    until("it is being written", lambda: bool(own.partial()))
    own.server.stop()
    connection.close()
    with volume_server(tmp_path) as again:
        store = store_at(again.endpoint)
        assert list(store.list_files("")) == []
        store.create("v1/model", LARGE)
        assert b"".join(store.open("v1/model")) == LARGE


def test_a_file_that_is_too_large_is_refused_however_its_size_is_told(
    given: Given, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(LARGE + LARGE)
    with pytest.raises(StoreError, match="at most 6291456 bytes") as caught:
        given.store.write("v1/model", tmp_path / "large")
    assert not isinstance(caught.value, Unavailable | FileMissing)
    answer = httpx.put(
        given.endpoint + given.url("v1/model"),
        content=iter([LARGE, LARGE]),  # in chunks
        headers={"Authorization": f"Bearer {VOLUME_TOKEN}"},
    )
    assert answer.status_code == 413
    assert list(given.store.list_files("")) == []
    assert given.partial() == []


def test_a_large_file_comes_back_as_it_was(given: Given, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    given.store.create("v1/model", tmp_path / "large")
    assert (given.volume / "v1" / "model").read_bytes() == LARGE
    fetch(given.store, "v1/model", tmp_path / "out", sha256=sha256_hex(LARGE), size=len(LARGE))
    with pytest.raises(AlreadyThere):
        given.store.create("v1/model", tmp_path / "large")


def test_a_large_file_never_is_in_memory_as_a_whole(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200 << 20)
    with volume_server(tmp_path) as server:
        store = store_at(server.endpoint)
        store.write("v1/model", tmp_path / "large")
        assert sum(map(len, store.open("v1/model"))) == 200 << 20
        status = Path("/proc", str(server.process.pid), "status").read_text()
    (most,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(most) < 128 << 10, "kilobytes"


def test_one_who_reads_slowly_holds_up_nobody(given: Given) -> None:
    given.store.create("v1/model", LARGE)
    slow = [given.store.open("v1/model") for _ in range(20)]
    for one in slow:
        next(one)
    assert given.store.list_versions() == ["v1"]
    for one in slow:
        assert sum(map(len, one)) == len(LARGE) - (1 << 20)


def test_what_a_client_does_not_want_is_not_read_to_its_end(own: Given) -> None:
    with (own.volume / "endless").open("wb") as file:
        file.truncate(1 << 40)
    process = Path("/proc", str(own.server.process.pid))

    def is_open() -> bool:
        for one in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                if one.readlink().name == "endless":
                    return True
        return False

    with pytest.raises(TooLarge):
        own.store.read("endless", limit=10)
    reading = own.store.open("endless")
    next(reading)
    assert is_open()
    assert isinstance(reading, Generator)
    reading.close()
    until("the file is closed", lambda: not is_open())


def test_a_file_that_is_replaced_while_it_is_read_stays_one_file(given: Given) -> None:
    given.store.create("v1/model", LARGE)
    reading = given.store.open("v1/model")
    first = next(reading)
    given.store.write("v1/model", b"another")
    assert first + b"".join(reading) == LARGE


def test_head_tells_the_size_and_sends_nothing(given: Given) -> None:
    given.store.create("v1/model", LARGE)
    answer = httpx.head(
        given.endpoint + given.url("v1/model"),
        headers={"Authorization": f"Bearer {VOLUME_TOKEN}"},
    )
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(LARGE))
    assert answer.content == b""


def test_a_server_that_is_told_to_stop_finishes_what_it_was_sent(own: Given) -> None:
    with closing(connected(own, "v1/model", len(LARGE))) as connection:
        connection.sendall(LARGE[: 2 << 20])
        until("it is being written", lambda: bool(own.partial()))
        own.server.process.terminate()
        connection.sendall(LARGE[2 << 20 :])
        assert b" 201 " in connection.recv(1000)
    assert own.server.process.wait(30) == 0
    assert (own.volume / "v1" / "model").read_bytes() == LARGE


@pytest.mark.parametrize("media", ["application/problem+json", "text/html"])
def test_a_404_of_something_else_is_no_verdict(media: str) -> None:
    """A file that is missing quarantines a version: nobody else's word is taken for that."""
    text = b'{"type": "urn:fraudops:problem:not-found", "title": "", "status": 404, "detail": ""}'

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        store = store_at(f"http://127.0.0.1:{other.server_port}")
        for ask in (
            store.list_versions,
            lambda: store.read("v1/manifest.json", limit=10),
            lambda: list(store.open("v1/model")),
        ):
            with pytest.raises(StoreUnreachable, match="something else answers"):
                ask()
        other.shutdown()
        thread.join()


def test_an_address_that_is_none_is_out_of_reach() -> None:
    for url in ("http://127.0.0.1:1", "nonsense", "http://no.such.host.invalid:80", "http://[bad"):
        with pytest.raises(StoreUnreachable):
            store_at(url).list_versions()


def test_readiness_is_that_of_the_volume(own: Given) -> None:
    assert httpx.get(f"{own.endpoint}/health/ready").status_code == 200
    own.volume.rmdir()
    answer = httpx.get(f"{own.endpoint}/health/ready")
    assert (answer.status_code, answer.json()["type"]) == (
        503,
        "urn:fraudops:problem:volume-missing",
    )
    assert httpx.get(f"{own.endpoint}/health/live").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--root=/nonexistent", "--token=/"), "--root /nonexistent is not a folder: mount"),
        (("--root=/", "--token=/", "--listen=nowhere"), "is not like 127.0.0.1:8080"),
        (("--root=/", "--token=/", "--max-file=lots"), "is not like 512Mi"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "fraud_scorer.cli.main", "volume", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not seccomp.available(), reason="no filter for this machine")
def test_a_pickle_that_was_copied_there_is_proven_and_kept_there(
    given: Given, tmp_path: Path
) -> None:
    """By the three programs of verification, as the operator's Job runs them."""
    (given.volume / "v1").mkdir()
    (given.volume / "v1" / "fraud model (1).pkl").write_bytes(pickle.dumps(linear()))
    job = Job(tmp_path, given.endpoint)
    job.location = json.dumps({"volume": {"url": given.endpoint, "prefix": given.folder}})
    (tmp_path / "credentials" / "token").write_text(VOLUME_TOKEN)
    for done in (job.fetch("--bare=fraud model (1).pkl"), job.compile(), job.judge()):
        assert done.returncode == 0, done.stderr
    verdict = decode(job.log.read_bytes())
    assert verdict.outcome == "Proven", verdict.message
    assert verdict.model is not None
    kept = b"".join(given.store.open(verdict.model.path))
    assert sha256_hex(kept) == verdict.model.sha256
    assert given.store.list_versions() == ["v1"]
