"""Transactions of the test week as a scorer takes them, with the truth beside each, in one file.

    python -m examples.handbook.envelopes --count 20000 transactions.jsonl.gz

Each line is {"transaction": the body of POST /v1/score, "fraud": true or false}, in order of time.
The file is what examples/demo/stream.py sends. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
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
    transactions = data.transactions
    for row in rows:
        time = transactions.start + timedelta(seconds=int(transactions.seconds[row]))
        yield {
            "transaction": {
                "transaction_id": f"tx-{row}",
                "event_time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "entities": {
                    "customer": f"c-{transactions.customer[row]}",
                    "terminal": f"t-{transactions.terminal[row]}",
                },
                "amount_minor": int(transactions.amount_minor[row]),
                "currency": CURRENCY,
                "features": dict(zip(NAMES, data.features[row].tolist(), strict=True)),
            },
            "fraud": bool(transactions.fraud[row]),
        }


def write(data: Dataset, path: Path, count: int | None = None) -> tuple[int, int]:
    """Write the first `count` (None: all) of the test week; how many, and how many frauds."""
    rows = np.flatnonzero(split(data.transactions).test)[:count]
    with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as lines:
        for content in envelopes(data, rows.tolist()):
            lines.write(msgspec.json.encode(content) + b"\n")
    return len(rows), int(data.transactions.fraud[rows].sum())


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
