"""No two predictions have one id, in whatever process they are made."""

from __future__ import annotations

import os
import uuid

from fraud_scorer.pipeline.ids import Ids, new_id


def test_ids_are_uuids_of_their_own() -> None:
    ids = {new_id() for _ in range(1000)} | {Ids().next() for _ in range(1000)}
    assert len(ids) == 2000
    for one in ids:
        assert (uuid.UUID(one).variant, uuid.UUID(one).version) == (uuid.RFC_4122, 8)


def test_a_forked_process_has_others() -> None:
    before = new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)
    assert theirs.rpartition("-")[0] != before.rpartition("-")[0]
