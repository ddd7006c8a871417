"""`kill -9` at any moment: every acknowledged answer is in Postgres afterwards, exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.audit import verify
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.seals import Signer, Verifier
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import Connection, ship, write, writer
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).parents[3]
KILLED = 20
APART = 1_000_000


def record_and_kill(spool: Spool, first: int, after: int) -> int:
    """How many answers a process acknowledged that was killed about `after` many."""
    process = subprocess.Popen(
        [
            sys.executable,
            Path(__file__).with_name("recording_process.py"),
            spool.folder,
            str(first),
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    acknowledged = b""
    while acknowledged.count(b"\n") < after:
        more = process.stdout.read1(1 << 12)
        assert more, "it ended by itself"
        acknowledged += more
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.read()
    process.stdout.close()
    process.wait()
    return acknowledged.count(b"\n")


def test_every_acknowledged_answer_is_there_once(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    archive: Archive,
    signer: Signer,
    verifier: Verifier,
) -> None:
    moments = random.Random(7)
    acknowledged = {}
    for turn in range(KILLED):
        first = turn * APART
        acknowledged[first] = record_and_kill(spool, first, moments.randrange(1, 900))
    assert len(spool.chains()) == KILLED
    ship(Spool(spool.folder, 1 << 30), ledger, archive, signer)
    rows = connection.execute(
        "SELECT substr(transaction_id, 4)::bigint, count(*) FROM transactions GROUP BY 1"
    ).fetchall()
    assert all(times == 1 for _, times in rows)
    there = {number for number, _ in rows}
    for first, count in acknowledged.items():
        assert there >= set(range(first, first + count))
        # What was recorded and not acknowledged any more may be there: one answer at the most.
        assert len([number for number in there if first <= number < first + APART]) <= count + 1
    verdict = verify(ledger, archive, verifier)
    assert verdict.findings == []
    assert verdict.chains == KILLED


def test_a_shipper_that_is_killed_again_and_again(
    postgres: PostgresServer, spool: Spool, ledger: Database, dsn: str, connection: Connection
) -> None:
    """Whatever it was at: the next one goes on, and nothing is there twice."""
    moments = random.Random(11)
    one = writer(spool)
    done = threading.Event()
    recorded = 0

    def record() -> None:
        nonlocal recorded
        while not done.is_set() and recorded < 15_000:
            write(one, range(recorded, recorded + 100))
            recorded += 100
            done.wait(0.02)

    recording = threading.Thread(target=record)
    recording.start()
    command = [
        sys.executable, "-m", "fraud_scorer.cli.main", "ship", f"--spool={spool.folder}",
        f"--postgres={dsn}", "--spool-limit=1Gi",
    ]  # fmt: skip
    try:
        for _ in range(5):
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
                wanted = recorded + moments.randrange(100, 900)
                while recorded < wanted and recording.is_alive():
                    done.wait(0.005)
                done.wait(moments.random())
                process.kill()
    finally:
        done.set()
        recording.join()
        one.close()
    ship(spool, ledger)
    row = connection.execute(
        "SELECT count(*), count(DISTINCT transaction_id) FROM transactions"
    ).fetchone()
    assert row == (recorded, recorded)


def test_sigterm_ships_what_is_left(spool: Spool, dsn: str, connection: Connection) -> None:
    one = writer(spool)
    with subprocess.Popen(
        [
            sys.executable, "-m", "fraud_scorer.cli.main", "ship", f"--spool={spool.folder}",
            f"--postgres={dsn}", "--spool-limit=1Gi",
        ],
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        write(one, range(10))
        while connection.execute("SELECT count(*) FROM transactions").fetchone() != (10,):
            assert process.poll() is None
        process.terminate()
        write(one, range(10, 50))  # a process that drains records on
        one.close()
        assert process.wait(60) == 0, process.stderr.read().decode()
    assert connection.execute("SELECT count(*) FROM transactions").fetchone() == (50,)
    assert spool.chains() == []
