"""The detector's other pods: who has a later plan, and who has bytes that the store does not give.

They are found by the name of a headless Service and asked on their management ports, with the token
that they ask for themselves. Nothing that they say is taken on trust: plans have checksums and
serials, bytes have digests. All of it blocks, and is called from threads.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import random
import socket
from collections.abc import Iterator

from fraud_scorer.artifact import plan as plans
from fraud_scorer.artifact.plan import ModelPlan, PlanError
from fraud_scorer.artifact.report import BLOBS_PATH, FOLLOWED_PATH
from fraud_scorer.artifact.store import FileMissing, StoreUnreachable
from fraud_scorer.following.token import Token

MOST_ASKED = 16
"""So many are asked, at random: they follow the same plan, and a fleet that starts at once is a
crowd."""

_CHUNK = 1 << 20
_PLAN_SECONDS = 1.0
_BLOB_SECONDS = 10.0
_LARGEST_PLAN = 1 << 20
_OK = 200

_log = logging.getLogger(__name__)


class Sibling:
    """One of them."""

    def __init__(self, address: str, port: int, token: Token) -> None:
        self._address = address
        self._port = port
        self._token = token

    def __repr__(self) -> str:
        return f"the sibling {self._address}"

    def plan(self) -> ModelPlan | None:
        """The plan that it follows, if it says."""
        try:
            with self._asked(FOLLOWED_PATH, _PLAN_SECONDS) as answer:
                return plans.decode(answer.read(_LARGEST_PLAN))
        except (OSError, http.client.HTTPException, FileMissing) as error:
            _log.debug("%s does not say its plan: %s", self, error)
        except PlanError as error:
            _log.warning("the plan of %s cannot be followed: %s", self, error)
        return None

    def open(self, sha256: str) -> Iterator[bytes]:
        """The bytes with that digest, piece by piece. Raises FileMissing, StoreUnreachable."""
        try:
            with self._asked(f"{BLOBS_PATH}{sha256}", _BLOB_SECONDS) as answer:
                while chunk := answer.read(_CHUNK):
                    yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise StoreUnreachable(f"{self} does not answer: {error}") from None

    @contextlib.contextmanager
    def _asked(self, path: str, seconds: float) -> Iterator[http.client.HTTPResponse]:
        """The answer to one question. Raises FileMissing where it is no."""
        headers = {"Authorization": f"Bearer {self._token.read().decode('latin-1')}"}
        connection = http.client.HTTPConnection(self._address, self._port, timeout=seconds)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            if answer.status != _OK:
                raise FileMissing(f"{self} says {answer.status}", file=path)
            yield answer
        finally:
            connection.close()


class Siblings:
    """The pods behind one name."""

    def __init__(self, where: tuple[str, int], token: Token, own: str) -> None:
        """`own` is the address of this pod's management port, HOST:PORT, which is not asked."""
        self._host, self._port = where
        self._token = token
        host, _, port = own.rpartition(":")
        self._own_host, self._own_port = host.strip("[]"), int(port)

    def all(self) -> list[Sibling]:
        """Those to be asked, in no order; nothing where the name has no addresses."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            _log.info("siblings cannot be found", extra={"host": self._host, "error": error})
            return []
        here = self._here() if self._port == self._own_port else set()
        others = sorted({str(one[4][0]) for one in found} - here)
        random.shuffle(others)
        return [Sibling(one, self._port, self._token) for one in others[:MOST_ASKED]]

    def _here(self) -> set[str]:
        """The addresses of this pod itself."""
        here = {self._own_host}
        with contextlib.suppress(OSError):
            found = socket.getaddrinfo(socket.gethostname(), None)
            here |= {str(one[4][0]) for one in found}
        return here
