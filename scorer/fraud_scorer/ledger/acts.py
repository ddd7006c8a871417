"""What people do to the ledger, recorded in it: a short chain of its own for each act.

It is delivered in the caller's transaction: the act and its record are both there, or neither is.
Whoever acts has no key to seal with, so a shipper seals these chains when it next looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from fraud_scorer.ledger import entries
from fraud_scorer.ledger.chain import Link, link, new_chain, origin
from fraud_scorer.ledger.database import Connection
from fraud_scorer.ledger.delivery import Stretch, deliver
from fraud_scorer.ledger.entries import Acted, Began, Ended, Entry


def record(connection: Connection, *acts: Acted, software: str) -> UUID:
    """Record acts; the chain that says so."""
    chain = new_chain()
    now = datetime.now(UTC)
    said: tuple[Entry, ...] = (Began(now, str(chain), "", "", software), *acts, Ended(now))
    links, previous = [], origin(chain)
    for sequence, entry in enumerate(said):
        body = entries.encode(entry)
        previous = link(previous, body)
        links.append(Link(sequence, body, b"", previous))
    deliver(connection, [Stretch(chain, origin(chain), links)], subject_kind="")
    return chain


def unsealed(connection: Connection) -> Iterator[Stretch]:
    """The chains of acts that nobody sealed yet."""
    chains = connection.execute(
        "SELECT chain FROM chains WHERE pod = '' AND sealed = 0 ORDER BY chain"
    ).fetchall()
    for (chain,) in chains:
        rows = connection.execute(
            "SELECT sequence, body, hash FROM audit WHERE chain = %s ORDER BY sequence", [chain]
        )
        links = [Link(sequence, body.encode(), b"", digest) for sequence, body, digest in rows]
        if links:
            yield Stretch(chain, origin(chain), links)
