"""Gateway, queue, engine, journal: what the design promises about a command's way through them."""

import asyncio
import threading
import time

import pytest
from channels.layers import get_channel_layer
from django.conf import settings

from orderbook import journal
from orderbook.core.events import OrderAccepted, OrderRejected, Trade
from orderbook.core.rejects import RejectReason
from orderbook.core.snapshot import state_hash
from orderbook.core.units import Side
from orderbook.errors import EngineUnavailable, InvalidInput, OutcomeUnknown
from orderbook.gateway import gateway as gateway_module
from orderbook.gateway import protocol, tail
from orderbook.gateway.gateway import Gateway
from orderbook.models import JournalBatch, Snapshot
from orderbook.worker import snapshots
from orderbook.worker.engine_worker import EngineWorker
from orderbook.worker.journal_writer import JournalWriter, LeadershipLost
from orderbook.worker.recovery import Replica
from orderbook.worker.verification import JournalVerifier
from tests.integration.venue import (
    LONG_DEADLINE_NS,
    limit_order,
    place,
    running_engine,
    running_gateway,
    running_venue,
)

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)


PATIENCE_S = 60.0


def journaled_events() -> list[object]:
    return [
        record.event
        for batch in journal.read_batches(0, 10_000)
        for record in journal.records(batch)
    ]


async def in_thread(function, *args):  # type: ignore[no-untyped-def]
    return await asyncio.to_thread(function, *args)


async def test_an_answered_order_is_in_the_journal():
    async with running_venue() as gateway:
        answer = await place(gateway, 1, Side.BUY, 100, 5, "mine")
        rows = await in_thread(journal.read_batches, 0, 1_000)
    found = [entry for row in rows for entry in row.entries if entry.events == answer.events]
    assert len(found) == 1
    assert rows[-1].last_sequence == answer.sequence


async def test_commands_sent_together_share_commits():
    async with running_venue() as gateway:
        before = await in_thread(JournalBatch.objects.count)
        await asyncio.gather(*(place(gateway, 1, Side.BUY, 100, 5) for _ in range(200)))
        commits = await in_thread(JournalBatch.objects.count) - before
    assert commits <= 10


async def test_a_repeated_message_is_executed_once_and_answered_alike():
    async with running_venue() as gateway:
        layer = get_channel_layer("engine")
        reply_to = await layer.new_channel("test")
        envelope = protocol.Envelope(
            b"r" * 16, time.time_ns() + LONG_DEADLINE_NS, limit_order(1, Side.BUY, 100, 5)
        )
        message = {
            "type": "commands",
            "reply_to": reply_to,
            "batch": protocol.encode([envelope]),
        }
        answers = []
        for _ in range(3):
            await layer.send(settings.ENGINE_QUEUE, message)
            reply = await layer.receive(reply_to)
            answers += protocol.decode_answers(reply["batch"])
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
    assert answers[0] == answers[1] == answers[2]
    assert isinstance(depth, protocol.Depth)
    assert [level.quantity_lots for level in depth.levels] == [5]


async def test_a_repeat_after_a_restart_gets_the_first_answer():
    async with running_venue():
        layer = get_channel_layer("engine")
        reply_to = await layer.new_channel("test")
        envelope = protocol.Envelope(
            b"r" * 16, time.time_ns() + LONG_DEADLINE_NS, limit_order(1, Side.BUY, 100, 5)
        )
        message = {"type": "commands", "reply_to": reply_to, "batch": protocol.encode([envelope])}
        await layer.send(settings.ENGINE_QUEUE, message)
        first = await layer.receive(reply_to)
    async with running_engine():
        await layer.send(settings.ENGINE_QUEUE, message)
        second = await layer.receive(reply_to)
    assert protocol.decode_answers(first["batch"]) == protocol.decode_answers(second["batch"])


async def test_a_late_command_is_refused_and_changes_nothing():
    async with running_venue() as gateway:
        before = await in_thread(journal.last_sequence)
        layer = get_channel_layer("engine")
        reply_to = await layer.new_channel("test")
        late = protocol.Envelope(b"l" * 16, time.time_ns() - 1, limit_order(1, Side.BUY, 100, 5))
        ancient = protocol.Envelope(
            b"a" * 16, time.time_ns() - 60 * 10**9, limit_order(1, Side.BUY, 100, 5)
        )
        message = {
            "type": "commands",
            "reply_to": reply_to,
            "batch": protocol.encode([ancient, late]),
        }
        await layer.send(settings.ENGINE_QUEUE, message)
        answers = protocol.decode_answers((await layer.receive(reply_to))["batch"])
        assert await in_thread(journal.last_sequence) == before
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
    assert [answer.command_id for answer in answers] == [b"l" * 16]
    assert isinstance(answers[0].events[0], OrderRejected)
    assert answers[0].events[0].reason is RejectReason.DEADLINE_PASSED
    assert isinstance(depth, protocol.Depth)
    assert depth.levels == []


async def test_a_restart_resumes_exactly_where_the_engine_stopped(settings):
    settings.ENGINE_SNAPSHOT_EVERY = 20
    async with running_venue() as gateway:
        for price in range(100, 130):
            await place(gateway, 1, Side.BUY, price, 5)
        await place(gateway, 2, Side.SELL, 120, 500)
        before = await gateway.query(protocol.GetStateHash())
    replica = Replica()
    await in_thread(replica.recover)
    assert await in_thread(Snapshot.objects.count) >= 1
    verifier = JournalVerifier(check_every=1)
    await in_thread(lambda: list(verifier.run()))
    report = verifier.report()
    assert report["intact"], report
    assert report["snapshots"] >= 1
    assert isinstance(before, protocol.StateHash)
    assert report["state_hash"] == before.state_hash
    async with running_engine(), running_gateway() as gateway:
        again = await gateway.query(protocol.GetDepth("BTC-USDT"))
        assert isinstance(again, protocol.Depth)
        assert again.levels[-1] == protocol.Level(Side.SELL, 120, 450, 1)


async def test_an_orderly_stop_waits_for_the_snapshot_that_is_being_stored(settings, monkeypatch):
    """Here it takes longer than everything else that a stop has to do."""
    settings.ENGINE_SNAPSHOT_EVERY = 5
    stopping = threading.Event()
    store, close = snapshots._store, JournalWriter.close

    def late_store(*args: object) -> None:
        stopping.wait(PATIENCE_S)
        store(*args)

    def noted_close(writer: JournalWriter) -> None:
        close(writer)
        stopping.set()

    monkeypatch.setattr(snapshots, "_store", late_store)
    monkeypatch.setattr(JournalWriter, "close", noted_close)
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5)
    assert await in_thread(Snapshot.objects.count) == 1


async def test_a_stop_does_not_wait_for_ever_for_a_snapshot(settings, monkeypatch):
    settings.ENGINE_SNAPSHOT_EVERY = 5
    monkeypatch.setattr(snapshots, "CLOSE_TIMEOUT_S", 0.05)
    released = threading.Event()
    monkeypatch.setattr(snapshots, "_store", lambda *args: released.wait(2 * PATIENCE_S))
    async with asyncio.timeout(PATIENCE_S):
        async with running_venue() as gateway:
            await place(gateway, 1, Side.BUY, 100, 5)
        assert not released.is_set()
    released.set()


async def test_the_tail_shows_what_no_projection_has_read():
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5, "seen")
        await place(gateway, 2, Side.SELL, 100, 5)
        mine = [record.event for record in await in_thread(tail.records_after, 0, 1)]
    accepted = [event for event in mine if isinstance(event, OrderAccepted)]
    assert [event.client_order_id for event in accepted] == ["seen"]
    assert sum(isinstance(event, Trade) for event in mine) == 1


async def test_without_an_engine_the_outcome_is_unknown_at_the_deadline(settings):
    async with running_venue():
        pass
    settings.COMMAND_DEADLINE_S = 0.3
    async with running_gateway() as gateway:
        with pytest.raises(OutcomeUnknown):
            await place(gateway, 1, Side.BUY, 100, 5)


async def test_a_full_queue_is_backpressure_and_certainly_not_executed(settings, monkeypatch):
    from channels.exceptions import ChannelFull

    async with running_gateway() as gateway:

        async def full(*args: object) -> None:
            raise ChannelFull

        monkeypatch.setattr(gateway._layer, "send", full)
        with pytest.raises(EngineUnavailable):
            await place(gateway, 1, Side.BUY, 100, 5)


async def test_a_stale_leader_cannot_write():
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5)
        stale = Replica()
        await in_thread(stale.recover)
        writer = JournalWriter()
        known = stale.checksum, stale.engine.epoch
        await in_thread(lambda: writer.submit(writer.open_epoch, *known).result())
        await place(gateway, 1, Side.BUY, 101, 5)
        entry = journal.Entry(b"", limit_order(2, Side.SELL, 100, 5), [])
        number = stale.sequence + 1
        with pytest.raises(LeadershipLost):
            await in_thread(
                lambda: writer.submit(writer.append, number, number, 1, [entry]).result()
            )
        await in_thread(writer.close)


async def test_a_second_engine_stands_by_and_takes_over():
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5)
        standby = EngineWorker()
        task = asyncio.create_task(standby.run())
        answer = await place(gateway, 1, Side.BUY, 101, 5)
        async with asyncio.timeout(PATIENCE_S):
            while standby._replica.sequence < answer.sequence:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not standby.leading.is_set()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await standby.leading.wait()
        async with running_gateway() as second:
            await place(second, 1, Side.BUY, 102, 5)
            depth = await second.query(protocol.GetDepth("BTC-USDT"))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert isinstance(depth, protocol.Depth)
    assert [level.price_ticks for level in depth.levels] == [102, 101, 100]


async def test_a_failing_commit_ends_the_engine_without_an_answer(monkeypatch, settings):
    async with running_venue() as gateway:
        settings.COMMAND_DEADLINE_S = 0.5

        def fail(*args: object) -> bytes:
            raise OSError("no space left on device")

        monkeypatch.setattr(JournalWriter, "append", fail)
        with pytest.raises(OutcomeUnknown):
            await place(gateway, 1, Side.BUY, 100, 5)
    events = await in_thread(journaled_events)
    assert not any(isinstance(event, OrderAccepted) for event in events)


def _flipped(value: bytes) -> bytes:
    """The same but for one bit."""
    return bytes(value[:-1]) + bytes([value[-1] ^ 1])


@pytest.mark.parametrize("field", ["payload", "checksum", "time_ns"])
async def test_a_changed_row_is_found(field):
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5)
        await place(gateway, 1, Side.BUY, 101, 5)
    row = await in_thread(lambda: JournalBatch.objects.order_by("first_sequence")[3])
    value = getattr(row, field)
    setattr(row, field, value + 1 if field == "time_ns" else _flipped(value))
    await in_thread(row.save)
    verifier = JournalVerifier(check_every=1)
    await in_thread(lambda: list(verifier.run()))
    assert verifier.report()["bad_sequence"] == row.first_sequence


async def test_a_missing_row_is_found():
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5)
        await place(gateway, 1, Side.BUY, 101, 5)
    row = await in_thread(lambda: JournalBatch.objects.order_by("first_sequence")[3])
    await in_thread(JournalBatch.objects.filter(pk=row.pk).delete)
    verifier = JournalVerifier(check_every=1)
    await in_thread(lambda: list(verifier.run()))
    assert verifier.report()["bad_sequence"] == row.first_sequence


async def test_a_gateway_loses_its_place_to_no_unanswered_command(monkeypatch):
    monkeypatch.setattr(gateway_module, "UNSENT_PATIENCE_S", PATIENCE_S)
    async with running_venue() as gateway:
        assert isinstance(gateway, Gateway)
        results = await asyncio.gather(
            *(gateway.submit(limit_order(1, Side.BUY, 100 + n % 7, 1)) for n in range(1_500))
        )
    assert len({answer.sequence for answer in results}) == 1_500


@pytest.mark.parametrize(
    "command",
    [
        limit_order(1, Side.BUY, 2**64, 1),
        limit_order(1, Side.BUY, 100, 1, client_order_id="\ud800"),
    ],
)
async def test_a_command_that_cannot_travel_harms_no_other(command):
    async with running_venue() as gateway:
        bad, good = await asyncio.gather(
            gateway.submit(command),
            gateway.submit(limit_order(1, Side.BUY, 100, 1)),
            return_exceptions=True,
        )
    assert isinstance(bad, InvalidInput)
    assert isinstance(good, protocol.Answer)
    assert isinstance(good.events[0], OrderAccepted)


@pytest.mark.parametrize("at_once", [1, 7, 300])
async def test_a_replay_gives_the_live_hash_whatever_the_batch_sizes(at_once, settings):
    settings.ENGINE_SNAPSHOT_EVERY = 10**9
    orders = [
        limit_order(1 + n % 2, (Side.BUY, Side.SELL)[n % 2], 100 + n % 5, 1 + n % 3, f"c{n}")
        for n in range(300 if at_once > 1 else 60)
    ]
    async with running_venue() as gateway:
        for start in range(0, len(orders), at_once):
            await asyncio.gather(*map(gateway.submit, orders[start : start + at_once]))
        live = await gateway.query(protocol.GetStateHash())
    rows = await in_thread(journal.read_batches, 0)
    sizes = [row.last_sequence - row.first_sequence + 1 for row in rows]
    assert max(sizes) > 1 or at_once == 1
    assert [one.last_sequence + 1 for one in rows[:-1]] == [two.first_sequence for two in rows[1:]]
    replica = Replica()
    await in_thread(replica.recover)
    assert isinstance(live, protocol.StateHash)
    assert state_hash(replica.engine) == live.state_hash
