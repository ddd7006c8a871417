"""From the spool to Postgres, exactly once, whatever Postgres does meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraud_scorer.ledger.archive import Archive
from fraud_scorer.ledger.audit import verify
from fraud_scorer.ledger.database import Database, DatabaseError, Unavailable
from fraud_scorer.ledger.delivery import ChainConflict, deliver
from fraud_scorer.ledger.entries import Acted, Personal, Prediction, Shadowed, decode
from fraud_scorer.ledger.seals import Signer
from fraud_scorer.ledger.shipper import Shipper
from fraud_scorer.ledger.spool import Spool, SpoolTaken
from fraud_scorer.ledger.spooled import SpooledChain
from fraud_scorer.ledger.stretches import Stretch
from tests.support.ledger import (
    SHIPPING,
    Connection,
    answered,
    count,
    migrated,
    personal,
    recorded,
    ship,
    shipper,
    steps_until,
    write,
    writer,
)
from tests.support.postgres import PostgresServer


def stretch_of(spool: Spool, chain: SpooledChain) -> Stretch:
    place = chain.resume(None)
    assert place is not None
    previous = place.hash
    return Stretch(chain.chain, previous, chain.read(place, most=64 << 20))


def test_everything_is_there_once(spool: Spool, ledger: Database, connection: Connection) -> None:
    recorded(spool, range(4000))
    done = ship(spool, ledger)
    assert done.shipped.delivered == 4002
    assert count(connection, "transactions") == count(connection, "predictions") == 4000
    assert count(connection, "audit") == 4002
    assert spool.chains() == []


def test_times_with_any_offset_arrive(
    spool: Spool, ledger: Database, connection: Connection
) -> None:
    """RFC 3339 has offsets that Postgres does not read, and times that UTC has no year for."""
    times = [
        f"{time}{offset}"
        for time in ("0001-01-01T00:00:00", "2026-01-05T10:00:00", "9999-12-31T23:59:59")
        for offset in ("-23:59", "-14:00", "+00:00", "+14:00", "+16:00", "+23:59")
    ]
    one = writer(spool)
    for number, time in enumerate(times):
        happened = datetime.fromisoformat(time)
        one.record(answered(number), personal(number, "c-1", event_time=happened))
    one.close()
    ship(spool, ledger)
    found = dict(connection.execute('SELECT transaction_id, "timestamp" FROM transactions'))
    assert (min(found.values()).year, max(found.values()).year) == (1, 9999)
    assert times[11] == "2026-01-05T10:00:00+23:59"
    assert found["tx-11"] == datetime.fromisoformat(times[11])
    assert verify(ledger, None, None).clean


def test_a_chain_that_postgres_cannot_hold_is_left_and_others_go_on(
    spool: Spool, ledger: Database, connection: Connection
) -> None:
    odd, plain = writer(spool), writer(spool)
    odd.record(answered(1), personal(1, amount_minor=2**64))
    write(plain, range(2, 12))
    for one in (odd, plain):
        one.close()
    at_work = shipper(spool, ledger)
    steps_until(at_work, "ten arrive", lambda: count(connection, "transactions") == 10)
    steps_until(at_work, "nothing else is left", lambda: len(spool.chains()) == 1)
    assert at_work.session.away_since is None


def test_what_a_row_says(spool: Spool, ledger: Database, connection: Connection) -> None:
    one = writer(spool)
    entry = answered(10)
    one.record(entry, personal(10, "c-9"))
    one.record(
        Shadowed(datetime.now(UTC), "p-10", "tx-10",
                 (msgspec.structs.replace(entry.predictions[0], role="shadow"),))
    )  # fmt: skip
    one.record(Acted(datetime.now(UTC), "model", "operator", "v2"))
    one.close()
    ship(spool, ledger)
    assert connection.execute(
        'SELECT transaction_id, user_id, "timestamp", amount_minor, currency, entities'
        " FROM transactions"
    ).fetchall() == [
        ("tx-10", "c-9", datetime(2026, 1, 5, 10, tzinfo=UTC), 1010, "EUR",
         {"customer": "c-9", "terminal": "t-0"})
    ]  # fmt: skip
    assert connection.execute(
        "SELECT transaction_id, prediction_id, role, fraud_score, decision, model, version"
        " FROM predictions ORDER BY role"
    ).fetchall() == [
        ("tx-10", "p-10", "active", 0.01, "review", "card-payments", "v1"),
        ("tx-10", "p-10", "shadow", 0.01, "review", "card-payments", "v1"),
    ]
    kinds = connection.execute("SELECT kind FROM audit ORDER BY sequence").fetchall()
    assert [kind for (kind,) in kinds] == ["began", "answered", "shadowed", "acted", "ended"]
    row = connection.execute("SELECT body FROM audit WHERE kind = 'answered'").fetchone()
    assert row is not None
    assert decode(row[0]) == entry


def test_what_decided_and_what_would_have(
    spool: Spool, ledger: Database, connection: Connection
) -> None:
    """A rule, a draw, and a decision without a model; shadows take part in no draw."""
    one = writer(spool)
    said = msgspec.structs.replace(answered(1).predictions[0], rule="random_approval")
    drawn = answered(1, predictions=(said,), propensity=0.01, would="decline")
    shadow = msgspec.structs.replace(said, role="shadow", rule="")
    bare = answered(2, predictions=(Prediction("active", None, "review", rule="unavailable"),))
    for entry in (drawn, bare):
        one.record(entry, personal(1))
    one.record(Shadowed(datetime.now(UTC), "p-1", "tx-1", (shadow,)))
    one.close()
    ship(spool, ledger)
    assert connection.execute(
        "SELECT transaction_id, role, fraud_score, rule, would, propensity, model FROM predictions"
        " ORDER BY sequence"
    ).fetchall() == [
        ("tx-1", "active", 0.001, "random_approval", "decline", 0.01, "card-payments"),
        ("tx-2", "active", None, "unavailable", None, None, ""),
        ("tx-1", "shadow", 0.001, None, None, None, "card-payments"),
    ]
    assert verify(ledger, None, None).clean


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ids=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=8),
    features=st.dictionaries(
        st.text(max_size=8), st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False)
    ),
)
def test_whatever_callers_send_is_kept_byte_by_byte(
    spool: Spool,
    ledger: Database,
    connection: Connection,
    ids: list[str],
    features: dict[str, object],
) -> None:
    one = writer(spool)
    for each in ids:
        one.record(
            answered(1, transaction_id=each, principal=each, traceparent=each),
            personal(1, each, features=features),
        )
    one.close()
    chain = SpooledChain(spool, one.chain)
    wanted = [(link.body.decode(), link.beside[16:].decode()) for link in
              stretch_of(spool, chain).links[1:-1]]  # fmt: skip
    ship(spool, ledger)
    found = connection.execute(
        "SELECT a.body, t.personal FROM audit a JOIN transactions t USING (chain, sequence)"
        " WHERE a.chain = %s ORDER BY a.sequence", [one.chain],
    ).fetchall()  # fmt: skip
    assert found == wanted


def test_a_month_without_partitions_gets_them(
    spool: Spool, ledger: Database, connection: Connection
) -> None:
    """As after months in the archive."""
    one = writer(spool)
    write(one, range(3), at=datetime(2021, 5, 31, 23, 59, tzinfo=UTC))
    write(one, range(3, 6), at=datetime(2021, 6, 1, tzinfo=UTC))
    one.close()
    ship(spool, ledger)
    assert count(connection, "predictions_2021_05") == 3
    assert count(connection, "audit_2021_06") == 3


class TestExactlyOnce:
    """A batch is sent again where nobody knows whether it arrived."""

    def test_what_is_there_is_left_out(
        self, spool: Spool, ledger: Database, connection: Connection
    ) -> None:
        one = writer(spool)
        write(one, range(50))
        chain = SpooledChain(spool, one.chain)
        with ledger.connect() as sender:
            deliver(sender, [stretch_of(spool, chain)], subject_kind="customer")
            write(one, range(50, 80))
            for _ in range(3):
                deliver(sender, [stretch_of(spool, chain)], subject_kind="customer")
        one.close()
        assert count(connection, "transactions") == 80

    def test_several_who_deliver_the_same(
        self, spool: Spool, ledger: Database, connection: Connection
    ) -> None:
        """As a pod and whoever found the pod's segments in the archive."""
        chain = recorded(spool, range(2000))
        whole = stretch_of(spool, SpooledChain(spool, chain))
        start = threading.Barrier(4)

        def send(step: int) -> None:
            with ledger.connect() as sender:
                start.wait()
                for at in range(0, len(whole.links), step):
                    before = whole.links[at - 1].hash if at else whole.previous
                    part = Stretch(whole.chain, before, whole.links[at : at + step])
                    deliver(sender, [part], subject_kind="customer")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, (97, 211, 500, 2002)))
        assert count(connection, "transactions") == count(connection, "predictions") == 2000
        assert count(connection, "audit") == 2002

    def test_two_do_not_ship_one_spool(self, spool: Spool, ledger: Database) -> None:
        first = Shipper(spool, ledger, None, None, SHIPPING)
        with pytest.raises(SpoolTaken, match="one is enough"):
            Shipper(spool, ledger, None, None, SHIPPING)
        first.close()
        Shipper(spool, ledger, None, None, SHIPPING).close()

    def test_a_connection_that_is_cut_before_its_commit_is_answered(
        self, spool: Spool, ledger: Database, connection: Connection
    ) -> None:
        one = writer(spool)
        write(one, range(2000))
        ended = threading.Event()

        def cut() -> None:
            with psycopg.connect(str(ledger._where), autocommit=True) as killer:
                while not ended.wait(0.002):
                    killer.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'test'"
                    )

        cutting = threading.Thread(target=cut)
        cutting.start()
        sender = shipper(spool, ledger, shipping=replace(SHIPPING, batch_bytes=1 << 16))
        for number in range(2000, 3000, 50):
            write(one, range(number, number + 50))
            sender.step()
        ended.set()
        cutting.join()
        one.close()
        ship(spool, ledger)
        assert count(connection, "transactions") == 3000

    def test_a_postgres_that_forgot_is_told_again(
        self, spool: Spool, ledger: Database, connection: Connection
    ) -> None:
        """As one that was restored to a moment before."""
        one = writer(spool)
        write(one, range(20))
        sender = shipper(spool, ledger)
        steps_until(sender, "20", lambda: count(connection, "transactions") == 20)
        for table in ("audit", "transactions", "predictions"):
            connection.execute(f"DELETE FROM {table} WHERE sequence >= 10".encode())
        connection.execute(
            "UPDATE chains SET delivered = 10, hash = (SELECT hash FROM audit WHERE sequence = 9)"
        )
        write(one, range(20, 30))
        steps_until(sender, "30", lambda: count(connection, "transactions") == 30)
        one.close()
        ship(spool, ledger)
        assert count(connection, "audit") == 32

    def test_another_chain_of_that_name_is_refused(
        self, spool: Spool, ledger: Database, connection: Connection
    ) -> None:
        one = writer(spool)
        write(one, range(5))
        stretch = stretch_of(spool, SpooledChain(spool, one.chain))
        with ledger.connect() as sender:
            deliver(sender, [stretch], subject_kind="customer")
            connection.execute("UPDATE chains SET hash = 'changed'")
            write(one, range(5, 9))
            more = stretch_of(spool, SpooledChain(spool, one.chain))
            with pytest.raises(ChainConflict, match="does not follow"):
                deliver(sender, [more], subject_kind="customer")
        one.close()
        assert count(connection, "transactions") == 5

    def test_one_bad_chain_does_not_hold_up_the_others(
        self, spool: Spool, ledger: Database, connection: Connection
    ) -> None:
        bad, good = writer(spool), writer(spool)
        write(bad, range(5))
        sender = shipper(spool, ledger)
        steps_until(sender, "five", lambda: count(connection, "transactions") == 5)
        connection.execute("UPDATE chains SET hash = 'x' WHERE chain = %s", [bad.chain])
        write(bad, range(5, 9))
        write(good, range(10, 20))
        steps_until(sender, "the good one", lambda: count(connection, "transactions") == 15)
        bad.close()
        good.close()
        steps_until(sender, "its end", lambda: spool.chains() == [bad.chain])


class TestTrouble:
    """Postgres away, frozen, read-only: recording goes on, and all of it arrives."""

    @pytest.fixture
    def broken(self, own_postgres: PostgresServer) -> Iterator[PostgresServer]:
        own_postgres.sql("CREATE DATABASE ledger")
        migrated(own_postgres.dsn("ledger"))
        yield own_postgres
        own_postgres.resume()

    def check(self, server: PostgresServer, spool: Spool, upto: int, patience: float = 1.0) -> None:
        ship(spool, Database(server.dsn("ledger"), name="test", patience=10))
        with psycopg.connect(server.dsn("ledger")) as connection:
            row = connection.execute(
                "SELECT count(*), count(DISTINCT transaction_id) FROM transactions"
            ).fetchone()
        assert row == (upto, upto)

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
    def test_stopped_and_killed(
        self, broken: PostgresServer, spool: Spool, how: signal.Signals
    ) -> None:
        one = writer(spool)
        sender = shipper(spool, Database(broken.dsn("ledger"), name="test", patience=2))
        write(one, range(500))
        steps_until(sender, "500", lambda: sender.shipped.delivered == 501)
        write(one, range(500, 1500))
        broken.stop(how)
        sender.step()
        assert sender.shipped.delivered == 501
        write(one, range(1500, 2000))
        broken.start()
        steps_until(sender, "2000", lambda: sender.shipped.delivered == 2001)
        one.close()
        self.check(broken, spool, 2000)

    def test_frozen(self, broken: PostgresServer, spool: Spool) -> None:
        one = writer(spool)
        sender = shipper(spool, Database(broken.dsn("ledger"), name="test", patience=0.5))
        write(one, range(10))
        steps_until(sender, "10", lambda: sender.shipped.delivered == 11)
        broken.freeze()
        write(one, range(10, 200))
        sender.step()  # comes back although no answer ever does
        assert sender.session.away_since is not None
        broken.resume()
        steps_until(sender, "200", lambda: sender.shipped.delivered == 201)
        one.close()
        self.check(broken, spool, 200)

    def test_read_only(self, broken: PostgresServer, spool: Spool) -> None:
        broken.sql("ALTER DATABASE ledger SET default_transaction_read_only = on")
        one = writer(spool)
        write(one, range(50))
        database = Database(broken.dsn("ledger"), name="test", patience=5)
        sender = shipper(spool, database)
        sender.step()
        assert sender.shipped.delivered == 0
        with (
            pytest.raises(Unavailable, match="is it a standby"),
            database.connect() as connection,
        ):
            connection.execute("CREATE TABLE a ()")
        broken.sql(
            "SET default_transaction_read_only = off;"
            " ALTER DATABASE ledger SET default_transaction_read_only = off"
        )
        steps_until(sender, "50", lambda: sender.shipped.delivered == 51)
        one.close()
        self.check(broken, spool, 50)

    def test_out_of_connections(self, broken: PostgresServer, spool: Spool) -> None:
        broken.sql("ALTER DATABASE ledger CONNECTION LIMIT 0")
        broken.sql("CREATE ROLE plain LOGIN IN ROLE fraudops_scorer")
        one = writer(spool)
        write(one, range(50))
        sender = shipper(spool, Database(broken.dsn("ledger", "plain"), name="test", patience=5))
        sender.step()
        assert sender.shipped.delivered == 0
        broken.sql("ALTER DATABASE ledger CONNECTION LIMIT -1")
        steps_until(sender, "50", lambda: sender.shipped.delivered == 51)
        one.close()
        self.check(broken, spool, 50)

    def test_without_a_schema(self, broken: PostgresServer, spool: Spool) -> None:
        with (
            pytest.raises(DatabaseError, match="run fraud-scorer migrate"),
            Database(broken.dsn(), name="test").connect() as connection,
        ):
            connection.execute("SELECT * FROM chains")

    def test_not_a_connection_string(self) -> None:
        with (
            pytest.raises(DatabaseError, match="not a connection string"),
            Database("nonsense here", name="test").connect(),
        ):
            pass


def test_an_archive_and_a_key_come_together(
    spool: Spool, ledger: Database, archive: Archive, signer: Signer
) -> None:
    with pytest.raises(ValueError, match="takes a key to seal with"):
        shipper(spool, ledger, archive)
    with pytest.raises(ValueError, match="a key an archive"):
        shipper(spool, ledger, None, signer)


def test_who_names_no_person_is_recorded_all_the_same(
    spool: Spool, ledger: Database, connection: Connection, archive: Archive, signer: Signer
) -> None:
    one = writer(spool)
    nobody = Personal(datetime(2026, 1, 5, tzinfo=UTC), {"terminal": "t-1"}, 5, "EUR", {})
    one.record(answered(1), nobody)
    one.close()
    ship(spool, ledger, archive, signer)
    assert connection.execute("SELECT user_id, amount_minor FROM transactions").fetchall() == [
        (None, 5)
    ]
