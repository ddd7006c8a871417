"""Looking things up: everything that is known, and a note of who looked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fraud_scorer.ledger import labels, lookups, old_records
from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.database import Database
from fraud_scorer.ledger.entries import Answered, Shadowed
from fraud_scorer.ledger.seals import Signer, Verifier
from fraud_scorer.ledger.spool import Spool
from tests.support.ledger import Connection, recorded_twice, ship

from .test_labels import label


@pytest.fixture
def shipped(spool: Spool, ledger: Database, archive: Archive, signer: Signer) -> None:
    """A hundred answers; one of them twice, and looked at by a shadow."""
    recorded_twice(spool, range(100))
    ship(spool, ledger, archive, signer)


@pytest.mark.usefixtures("shipped")
class TestTransaction:
    """Everything about one."""

    def test_everything_known(self, connection: Connection) -> None:
        labels.add(connection, [label(10), label(11)], by="risk")
        known = lookups.transaction(connection, "tx-10", principal="ann")
        assert [type(one.entry) for one in known.answers] == [Answered, Answered, Shadowed]
        first = known.answers[0]
        assert isinstance(first.entry, Answered)
        assert first.entry.predictions[0].reasons[0].code == "R07"
        assert first.personal is not None
        assert first.personal["features"] == {"amount": 20.0, "channel": "app"}
        assert known.labels == (label(10),)

    def test_an_answer_that_was_given_twice_is_linked(self, connection: Connection) -> None:
        known = lookups.transaction(connection, "tx-10", principal="ann")
        assert [one.duplicate_of for one in known.answers] == ["", "p-10", ""]

    def test_an_unknown_one(self, connection: Connection) -> None:
        known = lookups.transaction(connection, "tx-none", principal="ann")
        assert (known.answers, known.labels) == ((), ())

    def test_who_looked_is_noted(self, connection: Connection) -> None:
        lookups.transaction(connection, "tx-10", principal="ann")
        lookups.transaction(connection, "tx-none", principal="bob")
        (one,) = lookups.accesses(connection, "tx-10")
        assert (one.principal, one.action, one.found) == ("ann", "transaction", 3)
        assert [one.principal for one in lookups.accesses(connection, "tx-none")] == ["bob"]

    def test_what_cannot_be_noted_is_not_shown(self, connection: Connection) -> None:
        connection.execute("REVOKE INSERT ON access_log FROM fraudops_scorer")
        connection.execute("SET ROLE fraudops_scorer_a")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            lookups.transaction(connection, "tx-10", principal="ann")

    def test_in_the_archive(
        self, connection: Connection, archive: Archive, verifier: Verifier
    ) -> None:
        hot = lookups.transaction(connection, "tx-10", principal="ann").answers
        old = old_records.transaction(
            connection, archive, verifier, "tx-10", around=datetime.now(UTC), principal="ann"
        )
        assert [one.entry for one in old] == [one.entry for one in hot]
        assert [one.personal for one in old] == [one.personal for one in hot]
        other_day = datetime.now(UTC) - timedelta(days=3)
        assert not old_records.transaction(
            connection, archive, verifier, "tx-10", around=other_day, principal="ann"
        )
        actions = [one.action for one in lookups.accesses(connection, "tx-10")]
        assert actions.count("archived transaction") == 2


@pytest.mark.usefixtures("shipped")
class TestHistory:
    """A user's."""

    def test_newest_first_with_its_decision(self, connection: Connection) -> None:
        past = lookups.history(connection, "c-3", principal="ann", limit=5)
        assert {one.entities["customer"] for one in past} == {"c-3"}
        assert len(past) == 5
        assert past[0].decision in ("approve", "review")
        assert past[0].timestamp >= past[-1].timestamp
        before = lookups.history(
            connection, "c-3", principal="ann", before=past[-1].timestamp, limit=5
        )
        assert all(one.timestamp < past[-1].timestamp for one in before)
        assert [one.action for one in lookups.accesses(connection, "c-3")] == ["history"] * 2
