"""Transactions all the time, sent by the pod `client` of a bed through a detector's Service.

A connection for each request, so that every pod has its share; what is not answered 200 is told.
Amounts go from 0 to 400, so that every decision is made.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.bed import CLIENT, Bed, transaction

_SEND = """
import http.client, json, sys, threading, time

host, path, body, name = sys.argv[1:5]
threads, pause, customers = map(float, sys.argv[5:])
over, lock = threading.Event(), threading.Lock()
answered, failed, versions, last, degraded = [], [], {}, {}, {}

def send(thread):
    number = 0
    while not over.is_set():
        number += 1
        features = {"amount": number * 7919 % 400, "night": number % 2}
        asked = json.loads(body) | {
            "transaction_id": f"{name}-{thread}-{number}", "features": features}
        if customers:
            asked["entities"]["customer"] = f"{name}-{number % int(customers)}"
        try:
            connection = http.client.HTTPConnection(host, timeout=10)
            connection.request("POST", path, json.dumps(asked), {
                "Content-Type": "application/json", "Connection": "close"})
            answer = connection.getresponse()
            data = answer.read()
            said = "" if answer.status == 200 else f"status {answer.status}"
        except OSError as error:
            said = repr(error)
        finally:
            connection.close()
        with lock:
            if not said:
                answered.append(asked["transaction_id"])
                answer = json.loads(data)
                for why in answer["degraded"]:
                    degraded[why] = degraded.get(why, 0) + 1
                model = answer["model"]
                version = model["version"] if model else ""
                versions[version] = versions.get(version, 0) + 1
                last[version] = time.time()
            if said:
                failed.append(f"{time.strftime('%H:%M:%S')} {said}")
        over.wait(pause)

senders = [threading.Thread(target=send, args=(n,)) for n in range(int(threads))]
for one in senders: one.start()
sys.stdin.read()
over.set()
for one in senders: one.join()
print(json.dumps(
    {"answered": answered, "failed": failed, "versions": versions, "last": last,
     "degraded": degraded}))
"""


@dataclass
class Load:
    """What came of it, once it is over."""

    acknowledged: tuple[str, ...] = ()
    """Transactions that were answered."""
    failed: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    """How many answers each version gave; of the empty one, those that no model gave."""
    last: Mapping[str, float] = field(default_factory=dict)
    """When the last of them came: seconds since 1970."""
    degraded: Mapping[str, int] = field(default_factory=dict)
    """How many answers did without what."""

    @property
    def answered(self) -> int:
        """How many transactions were answered."""
        return len(self.acknowledged)


@contextmanager
def under_load(
    bed: Bed, detector: str, *, threads: int = 2, pause: float = 0.02, customers: int = 0
) -> Iterator[Load]:
    """Send transactions to a detector while the context lasts. `customers`: how many new ones there
    are in turns; 0: it is one all the time."""
    body: dict[str, Any] = transaction("load", {"amount": 20.0, "night": 0})
    # Nobody has seen these transactions before.
    name = f"load-{secrets.token_hex(4)}"
    sender = subprocess.Popen(
        [
            str(bed.cluster.kubectl_path), "--context", bed.cluster.context,
            "--namespace", bed.namespace, "exec", "--stdin", CLIENT, "--",
            "python3", "-c", _SEND, f"{detector}-scorer", "/v1/score", json.dumps(body),
            name, str(threads), str(pause), str(customers),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bed.cluster.environment,
    )  # fmt: skip
    load = Load()
    try:
        yield load
    finally:
        said, _ = sender.communicate(timeout=60)
    told = json.loads(said)
    load.acknowledged, load.failed = tuple(told["answered"]), tuple(told["failed"])
    load.versions, load.last = told["versions"], told["last"]
    load.degraded = told["degraded"]
