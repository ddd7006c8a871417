"""Recording: the spool, its three durabilities, and what happens when it is full or torn."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from fraud_scorer.ledger.chain import Link, link, origin
from fraud_scorer.ledger.entries import (
    SALT_BYTES,
    Answered,
    Began,
    Ended,
    Missed,
    commitment,
    decode,
    decode_personal,
)
from fraud_scorer.ledger.segment import BEFORE_BODY, HEADER_BYTES, PADDED_TO, SIZES, scan
from fraud_scorer.ledger.spool import Spool, SpoolFull
from fraud_scorer.ledger.spooled import DamagedSegment, SpooledChain
from fraud_scorer.ledger.writer import Recording, Writer
from tests.support.ledger import RECORDING, SEGMENT, answered, personal, write, writer


def frame(body: bytes, digest: bytes) -> bytes:
    """One without anything beside it, as the layout of segments says."""
    sizes = SIZES.pack(len(body), 0)
    return b"".join((sizes, digest, body, bytes(-(BEFORE_BODY + len(body)) % PADDED_TO)))


def read_all(spool: Spool, one: Writer) -> list[Link]:
    """What a shipper would see."""
    chain = SpooledChain(spool, one.chain)
    place = chain.resume(None)
    assert place is not None
    links: list[Link] = []
    while found := chain.read(place, most=1 << 20):
        links += found
    return links


def transactions(links: list[Link]) -> list[str]:
    entries = (decode(one.body) for one in links)
    return [one.transaction_id for one in entries if isinstance(one, Answered)]


def test_an_entry_can_be_read_as_soon_as_it_is_recorded(spool: Spool) -> None:
    one = writer(spool)
    write(one, range(3))
    links = read_all(spool, one)
    assert isinstance(decode(links[0].body), Began)
    assert transactions(links) == ["tx-0", "tx-1", "tx-2"]
    one.close()


def test_a_chain_ends_in_order(spool: Spool) -> None:
    one = writer(spool)
    write(one, range(5000))
    one.close()
    links = read_all(spool, one)
    assert isinstance(decode(links[-1].body), Ended)
    assert [one.sequence for one in links] == list(range(5002))
    assert transactions(links) == [f"tx-{number}" for number in range(5000)]
    previous = origin(one.chain)
    for each in links:
        assert each.hash == link(previous, each.body)
        previous = each.hash


def test_nothing_personal_is_in_an_entry(spool: Spool) -> None:
    one = writer(spool)
    one.record(answered(1), personal(1, "c-secret"))
    one.close()
    entry = read_all(spool, one)[1]
    assert b"c-secret" not in entry.body
    said = decode(entry.body)
    assert isinstance(said, Answered)
    assert said.personal == commitment(entry.beside)
    assert decode_personal(entry.beside[SALT_BYTES:]).entities["customer"] == "c-secret"


def test_the_same_data_never_has_the_same_commitment(spool: Spool) -> None:
    one = writer(spool)
    for _ in range(2000):
        one.record(answered(1), personal(1))
    one.close()
    found = [decode(each.body) for each in read_all(spool, one)]
    commitments = {each.personal for each in found if isinstance(each, Answered)}
    assert len(commitments) == 2000


def test_segments_are_cut_to_length_and_follow_each_other(spool: Spool) -> None:
    one = writer(spool)
    write(one, range(5000))
    one.close()
    segments = SpooledChain(spool, one.chain).segments()
    assert len(segments) > 2
    assert all(each.closed and each.path.stat().st_size <= SEGMENT for each in segments)
    assert [each.header.number for each in segments] == list(range(len(segments)))
    for before, after in pairwise(segments):
        links = before.links()
        assert after.header.first == links[-1].sequence + 1
        assert after.header.previous == links[-1].hash


def test_a_segment_is_closed_when_it_is_old(spool: Spool) -> None:
    one = writer(spool, replace(RECORDING, segment_age=0.0))
    write(one, range(1))
    chain = SpooledChain(spool, one.chain)
    patience = 2000
    while not any(each.closed for each in chain.segments()):
        patience -= 1
        assert patience, "it never was closed"
        one._wake.set()
        one._tender.join(0.01)
    one.close()


def test_a_segment_may_be_closed_while_it_is_read(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for its name and the reading, its writer ends."""
    one = writer(spool)
    write(one, range(10))
    chain = SpooledChain(spool, one.chain)
    real = SpooledChain._segment

    def then_closed(self: SpooledChain, number: int) -> object:
        found = real(self, number)
        if not one._closing:
            one.close()
        return found

    place = chain.resume(None)
    assert place is not None
    monkeypatch.setattr(SpooledChain, "_segment", then_closed)
    assert transactions(chain.read(place, most=1 << 20)) == [f"tx-{number}" for number in range(10)]


class TestDurability:
    """Spooled is what the other tests are about."""

    async def test_committed_waits_for_the_disk(
        self, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        one = writer(spool, replace(RECORDING, durability="Committed"))
        real = one._segment.sync

        def sync() -> None:
            real()
            synced.append(one.recorded)

        monkeypatch.setattr(one._segment, "sync", sync)
        receipts = [one.record(answered(number), personal(number)) for number in range(50)]
        waits = [each.wait for each in receipts if each.wait is not None]
        assert len(waits) == 50
        await asyncio.wait_for(asyncio.gather(*waits), 30)
        assert max(synced) == 51
        assert len(synced) < 50, "each waited for a sync of its own"
        one.close()

    async def test_who_waits_learns_that_the_disk_fails(
        self, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = writer(spool, replace(RECORDING, durability="Committed"))

        def sync() -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(one._segment, "sync", sync)
        receipt = one.record(answered(1))
        assert receipt.wait is not None
        with pytest.raises(SpoolFull, match="Input/output error"):
            await asyncio.wait_for(receipt.wait, 30)
        with pytest.raises(SpoolFull, match="move this pod"):
            one.record(answered(2))
        monkeypatch.undo()
        one.close()

    def test_async_is_in_the_spool_a_little_later(self, spool: Spool) -> None:
        one = writer(spool, replace(RECORDING, durability="Async"))
        write(one, range(500))
        one.close()
        assert len(transactions(read_all(spool, one))) == 500


class TestFull:
    """A spool without room, which nobody empties until the test does."""

    def small(self, tmp_path: Path, **changes: object) -> tuple[Spool, Writer]:
        spool = Spool(tmp_path / "small", 2 * SEGMENT + SEGMENT // 2)
        return spool, writer(spool, replace(RECORDING, **changes))  # type: ignore[arg-type]

    def fill(self, one: Writer) -> int:
        number = 0
        while not one.record(answered(number), personal(number)).missed:
            number += 1
        return number

    def empty(self, spool: Spool, one: Writer) -> None:
        for segment in SpooledChain(spool, one.chain).segments():
            if segment.closed:
                segment.path.unlink()

    def test_block_refuses_what_it_cannot_record(self, tmp_path: Path) -> None:
        spool, one = self.small(tmp_path, when_full="block")
        with pytest.raises(SpoolFull, match="takes no more"):
            self.fill(one)
        assert one.missed == 0
        assert spool.usage() <= spool.limit
        one.close()

    def test_block_is_over_once_there_is_room_though_nobody_asks(self, tmp_path: Path) -> None:
        spool, one = self.small(tmp_path, when_full="block")
        assert not one.blocked
        with pytest.raises(SpoolFull):
            self.fill(one)
        assert "takes no more" in one.blocked
        patience = 3000
        while one.blocked:
            self.empty(spool, one)  # the last one before may be on its way to the disk until now
            patience -= 1
            assert patience, "it never found room again"
            one._tender.join(0.005)
        one.record(answered(77), personal(77))
        one.close()

    def test_degrade_counts_and_the_chain_says_so(self, tmp_path: Path) -> None:
        spool, one = self.small(tmp_path, when_full="degrade")
        recorded = self.fill(one)
        for number in range(9):
            one.record(answered(number), personal(number))
        assert one.missed == 10
        before = len(transactions(read_all(spool, one)))
        assert before == recorded
        patience = 3000
        while one.record(answered(77), personal(77)).missed:
            self.empty(spool, one)
            patience -= 1
            assert patience, "it never found room again"
            one._tender.join(0.005)
        one.close()
        said = [decode(each.body) for each in read_all(spool, one)]
        missed = [each for each in said if isinstance(each, Missed)]
        assert sum(each.count for each in missed) == one.missed
        after = said.index(missed[0]) + 1
        assert isinstance(said[after], Answered)

    def test_a_disk_without_room_is_a_full_spool(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spool = Spool(tmp_path / "spool", 1 << 30)
        one = writer(spool, replace(RECORDING, when_full="block"))

        def no_room(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.posix_fallocate", no_room)
        with pytest.raises(SpoolFull, match="No space left"):
            self.fill(one)
        monkeypatch.undo()
        one.close()

    def test_a_record_that_fits_nowhere_is_refused(self, spool: Spool) -> None:
        one = writer(spool)
        with pytest.raises(SpoolFull, match="larger than a segment"):
            one.record(answered(1, traceparent="x" * SEGMENT))
        assert not one.blocked
        one.record(answered(2))
        one.close()
        assert transactions(read_all(spool, one)) == ["tx-2"]

    def test_a_spool_that_cannot_work_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="two segments"):
            writer(Spool(tmp_path, SEGMENT))
        with pytest.raises(ValueError, match="multiple"):
            Recording(segment_bytes=SEGMENT + 1)
        with pytest.raises(ValueError, match=r"at most 0\.1"):
            Recording(sync_every=1.0)


class TestTorn:
    """What a crash of the machine can leave, and what tampering with the spool is."""

    def frames(self, count: int) -> tuple[bytes, bytes]:
        previous = first = b"\x01" * 32
        data = b""
        for number in range(count):
            body = b'{"n":%d}' % number
            previous = link(previous, body)
            data += frame(body, previous)
        return data, first

    @pytest.mark.parametrize("cut", range(2, 48, 6))
    def test_a_tail_that_was_cut_is_left_out(self, cut: int) -> None:
        data, first = self.frames(3)
        found = scan(data[:-cut], 0, first, complete=True)
        assert len(found.links) == 2
        assert scan(data, 0, first, complete=True).links[:2] == found.links

    @pytest.mark.parametrize("at", [0, 9, 45])
    def test_bytes_that_were_lost_end_it(self, at: int) -> None:
        data, first = self.frames(3)
        size = len(data) // 3
        lost = bytearray(data)
        lost[size + at] ^= 0xFF
        found = scan(bytes(lost), 0, first, complete=True)
        assert len(found.links) == 1
        assert found.torn

    def test_an_entry_is_not_there_before_what_is_beside_it(self, spool: Spool) -> None:
        one = writer(spool)
        write(one, range(2))
        segment, at = one._segment, one._segment.at
        write(one, range(2, 3))
        assert at % 8 == 0  # so that both sizes are one store
        with segment.path.open("r+b") as file:
            file.seek(at + 4)
            size = file.read(4)
            file.seek(at + 4)
            file.write(bytes(4))
            file.flush()
            assert transactions(read_all(spool, one)) == ["tx-0", "tx-1"]
            file.seek(at + 4)
            file.write(size)
            file.flush()
            links = read_all(spool, one)
        assert transactions(links) == ["tx-0", "tx-1", "tx-2"]
        assert all(each.beside for each in links[1:])
        one.close()

    def test_a_dead_writer_s_segment_is_cut_after_its_last_whole_entry(self, spool: Spool) -> None:
        one = writer(spool)
        write(one, range(10))
        segment = one._segment
        with segment.path.open("r+b") as file:  # the start of one more
            file.seek(segment.at)
            file.write(b"\x40\x00\x00\x00\x00\x00\x00\x00" + b"\x07" * 20)
        _die(one)
        chain = SpooledChain(spool, one.chain)
        assert chain.retire_writer()
        assert transactions(read_all(spool, one)) == [f"tx-{number}" for number in range(10)]
        assert [each.closed for each in chain.segments()] == [True]

    def test_a_living_writer_s_chain_is_left_alone(self, spool: Spool) -> None:
        one = writer(spool)
        assert not SpooledChain(spool, one.chain).retire_writer()
        one.close()
        assert SpooledChain(spool, one.chain).retire_writer()

    def test_a_segment_that_was_edited_is_told(self, spool: Spool) -> None:
        one = writer(spool)
        write(one, range(100))
        one.close()
        (segment,) = SpooledChain(spool, one.chain).segments()
        data = bytearray(segment.path.read_bytes())
        at = data.index(b"tx-50")
        data[at : at + 5] = b"tx-99"
        segment.path.write_bytes(data)
        with pytest.raises(DamagedSegment, match="at entry 51"):
            segment.links()
        assert data[:HEADER_BYTES]


def _die(one: Writer) -> None:
    """As `kill -9` ends a process: nothing is finished, and the lock is free."""
    one._closing = True
    one._wake.set()
    one._tender.join()
    os.close(one._lock)
