"""Post lines of JSON from standard input (gzipped) in parts, and say how each line was answered.

    python3 post.py http://card-payments-scorer/v1/labels < labels.jsonl.gz

Runs inside a pod with the standard library only, as stream.py does. A part that is refused because
the other side is busy or cannot record now (503) is sent again; each has a key of its own, so that
it has its effect once. What is printed is a JSON object with what was counted; the exit code is 1
where a part was not taken.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 60.0
_PAUSE = 0.5
_MEDIA = "application/x-ndjson"


class Refused(Exception):
    """A part that was not taken."""


class Busy(Exception):
    """A part that may be taken later: what is taken of it already is not taken twice."""


def post(url: str, part: Sequence[bytes]) -> list[dict[str, Any]]:
    """Send lines until they are taken; what was said of them. Raises Refused."""
    target = urlsplit(url)
    headers = {"Content-Type": _MEDIA, "Accept": _MEDIA, "Idempotency-Key": uuid.uuid4().hex}
    deadline = time.monotonic() + PATIENCE
    while True:
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=30)
        try:
            connection.request("POST", target.path, b"\n".join(part), headers)
            response = connection.getresponse()
            return said(response.status, response.read())
        except (OSError, http.client.HTTPException, Busy) as error:
            if time.monotonic() > deadline:
                raise Refused(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        time.sleep(_PAUSE)


def said(status: int, content: bytes) -> list[dict[str, Any]]:
    """The answer's lines. Raises Busy and Refused, also where that is said of one line only."""
    answers = []
    for line in content.splitlines():
        answer = json.loads(line)
        if status != http.HTTPStatus.OK or "status" in answer:
            kind = Busy if answer["status"] == http.HTTPStatus.SERVICE_UNAVAILABLE else Refused
            raise kind(line[:500].decode(errors="replace"))
        answers.append(answer)
    return answers


def counted(answers: Iterable[dict[str, Any]]) -> Counter[str]:
    """The sum of their numbers, or of their decisions."""
    counts: Counter[str] = Counter()
    for answer in answers:
        counts.update({answer["decision"]: 1} if "decision" in answer else answer)
    return counts


def parts(lines: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """The lines, so many at a time."""
    for first in range(0, len(lines), size):
        yield lines[first : first + size]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("url", help="such as http://NAME-scorer/v1/score/batch")
    parser.add_argument("--size", type=int, default=2000, help="lines of a part")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument(
        "--show", action="store_true", help="print the answers, not what they count"
    )
    options = parser.parse_args(arguments)
    lines = gzip.decompress(sys.stdin.buffer.read()).splitlines()
    began, total = time.monotonic(), Counter[str]()
    try:
        with ThreadPoolExecutor(options.connections) as pool:
            for answers in pool.map(
                lambda part: post(options.url, part), parts(lines, options.size)
            ):
                total.update(counted(answers))
                for answer in answers if options.show else ():
                    print(json.dumps(answer))
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 1
    seconds = round(time.monotonic() - began, 1)
    if not options.show:
        print(json.dumps({"lines": len(lines), "seconds": seconds, **total}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
