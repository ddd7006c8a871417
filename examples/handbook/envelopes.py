"""Transactions of the test week as a scorer takes them, with the truth beside each, in one file.

    python -m examples.handbook.envelopes --count 20000 transactions.jsonl.gz

Each line is {"transaction": the body of POST /v1/score, "fraud": true or false}, in order of time.
The file is what examples/demo/stream.py sends. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from examples.handbook import dataset
from examples.handbook.dataset import Dataset
from examples.handbook.features import NAMES
from examples.handbook.split import split

CURRENCY = "EUR"


def envelopes(data: Dataset, rows: Sequence[int]) -> Iterator[dict[str, Any]]:
    """A line's content for each of the transactions at `rows`."""
    for row in rows:
        yield {
            "transaction": transaction(data, row, NAMES),
            "fraud": bool(data.transactions.fraud[row]),
        }


def transaction(
    data: Dataset, row: int, names: Sequence[str], later: timedelta = timedelta()
) -> dict[str, Any]:
    """One as it is sent to be scored, with its first features; it happened `later` than it did."""
    transactions = data.transactions
    time = transactions.start + timedelta(seconds=int(transactions.seconds[row])) + later
    return {
        "transaction_id": f"tx-{row}",
        "event_time": stamp(time),
        "entities": {
            "customer": f"c-{transactions.customer[row]}",
            "terminal": f"t-{transactions.terminal[row]}",
        },
        "amount_minor": int(transactions.amount_minor[row]),
        "currency": CURRENCY,
        "features": dict(zip(names, data.features[row].tolist(), strict=False)),
    }


def stamp(time: datetime) -> str:
    """A time of UTC as JSON has it, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def write(data: Dataset, path: Path, count: int | None = None) -> tuple[int, int]:
    """Write the first `count` (None: all) of the test week; how many, and how many frauds."""
    rows = np.flatnonzero(split(data.transactions).test)[:count]
    write_lines(path, envelopes(data, rows.tolist()))
    return len(rows), int(data.transactions.fraud[rows].sum())


def write_lines(path: Path, lines: Iterable[object]) -> int:
    """Write gzipped lines of JSON; how many."""
    count = 0
    with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        for content in lines:
            packed.write(msgspec.json.encode(content) + b"\n")
            count += 1
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.handbook.envelopes",
        description="Write simulated transactions for examples/demo/stream.py.",
    )
    parser.add_argument("path", type=Path, help="the file, gzipped JSON lines")
    parser.add_argument("--count", type=int, help="how many; default: the whole week")
    options = parser.parse_args(arguments)
    count, frauds = write(dataset.load(), options.path, options.count)
    size = options.path.stat().st_size
    print(f"{options.path}: {count:,} transactions, {frauds} of them frauds, {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
