"""Opens stores for looks, which are many and of few servers: those that differ in bucket and prefix
only share a client.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from fraud_operator.models.identities import Access
from fraud_scorer.artifact.credentials import Keys
from fraud_scorer.artifact.opening import open_store
from fraud_scorer.artifact.plan import S3Location, StoreLocation
from fraud_scorer.artifact.store import Store

if TYPE_CHECKING:
    from fraud_scorer.artifact.gcs import GCSStore
    from fraud_scorer.artifact.s3 import S3Store

OpenStore = Callable[[StoreLocation, Access], Store]

_OPEN_CLIENTS = 64


def open_briefly(location: StoreLocation, access: Access) -> Store:
    """A store that gives up after about ten seconds. Imports an SDK at the first call."""
    return open_store(
        location,
        access.credentials,
        ca=access.ca,
        connect_timeout=3.0,
        read_timeout=5.0,
        attempts=1,
    )


def warm_up() -> None:
    """Have the SDK of S3 read its descriptions, which takes a second, before a detector waits for
    it."""
    open_briefly(StoreLocation(s3=S3Location(bucket="none")), Access(Keys("none", "none")))


class Clients:
    """Opens stores, for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: OrderedDict[Hashable, S3Store | GCSStore] = OrderedDict()

    def __call__(self, location: StoreLocation, access: Access) -> Store:
        """The store at `location`."""
        if location.s3 is None and location.gcs is None:
            return open_briefly(location, access)
        # One at a time: an SDK reads megabytes of descriptions when it is used for the first time,
        # and would do so in every thread.
        with self._lock:
            who = _client_of(location, access)
            client = self._clients.get(who)
            if client is None:
                opened: Any = open_briefly(location, access)
                client = self._clients[who] = opened
                while len(self._clients) > _OPEN_CLIENTS:
                    self._clients.popitem(last=False)
            self._clients.move_to_end(who)
        there: Any = location.s3 or location.gcs
        return client.at(there)


def _client_of(location: StoreLocation, access: Access) -> Hashable:
    """What stores have in common that share a client."""
    if location.s3 is not None:
        s3 = location.s3
        return "s3", s3.endpoint, s3.region, s3.addressing, access
    assert location.gcs is not None  # noqa: S101 - the caller looked
    # A session of `requests` belongs to one thread.
    return "gcs", location.gcs.endpoint, threading.get_ident(), access
