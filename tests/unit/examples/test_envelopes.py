"""The file of transactions: what a scorer is sent, with the truth that it is not sent."""

import gzip
import json
from pathlib import Path

import numpy as np

from examples.demo import stream
from examples.handbook import envelopes
from examples.handbook.dataset import Dataset
from examples.handbook.features import NAMES
from examples.handbook.split import split


def test_lines_are_the_test_week_in_order(tmp_path: Path, small_dataset: Dataset) -> None:
    path = tmp_path / "transactions.jsonl.gz"
    count, frauds = envelopes.write(small_dataset, path)
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert count == len(lines) == split(small_dataset.transactions).test.sum()
    assert frauds == sum(line["fraud"] for line in lines) > 0

    row = int(np.flatnonzero(split(small_dataset.transactions).test)[0])
    first = lines[0]["transaction"]
    assert first["transaction_id"] == f"tx-{row}"
    assert first["event_time"].startswith("2018-08-08T")
    assert first["event_time"].endswith("Z")
    assert first["amount_minor"] == small_dataset.transactions.amount_minor[row]
    assert list(first["features"]) == list(NAMES)
    assert list(first["features"].values()) == small_dataset.features[row].tolist()
    assert "fraud" not in json.dumps(first).replace("fraud_share", "")
    times = [line["transaction"]["event_time"] for line in lines]
    assert times == sorted(times)


def test_a_shorter_file_is_its_beginning_and_the_bytes_are_always_the_same(
    tmp_path: Path, small_dataset: Dataset
) -> None:
    paths = [tmp_path / name for name in ("whole.gz", "short.gz", "again.gz")]
    envelopes.write(small_dataset, paths[0])
    for path in paths[1:]:
        assert envelopes.write(small_dataset, path, 20)[0] == 20
    whole, short = (gzip.decompress(path.read_bytes()).splitlines() for path in paths[:2])
    assert short == whole[:20]
    assert paths[1].read_bytes() == paths[2].read_bytes()


def test_the_stream_reads_it(tmp_path: Path, small_dataset: Dataset) -> None:
    path = tmp_path / "transactions.jsonl.gz"
    envelopes.write(small_dataset, path, 3)
    sent = json.loads(stream.load(str(path))[1].body("mine-1"))
    assert sent["transaction_id"] == "mine-1"
    assert len(sent["features"]) == 15
