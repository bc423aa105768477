"""What the engine starts from, and what it refuses to start from."""

import asyncio
from typing import Any

import pytest

from orderbook import journal
from orderbook.core.snapshot import snapshot, state_hash
from orderbook.core.units import Side
from orderbook.gateway import protocol
from orderbook.journal import JournalDamaged
from orderbook.models import Epoch, JournalBatch, ProjectionCursor, Snapshot
from orderbook.worker.recovery import Replica
from orderbook.worker.verification import JournalVerifier
from tests.integration.venue import place, running_engine, running_gateway, running_venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)


PATIENCE_S = 60.0


async def in_thread(function, *args):  # type: ignore[no-untyped-def]
    return await asyncio.to_thread(function, *args)


@pytest.fixture
async def history(settings: Any) -> list[int]:
    """The prices of the bids that rest, best first; there are snapshots among them."""
    settings.ENGINE_SNAPSHOT_EVERY = 5
    price = 100
    async with running_venue() as gateway:
        async with asyncio.timeout(PATIENCE_S):
            while price < 110 or await in_thread(Snapshot.objects.count) < 2:
                await place(gateway, 1, Side.BUY, price, 5)
                price += 1
    return list(range(price - 1, 99, -1))


async def recovered_prices() -> list[int]:
    async with running_engine(), running_gateway() as gateway:
        depth = await gateway.query(protocol.GetDepth("BTC-USDT"))
        assert isinstance(depth, protocol.Depth)
        return [level.price_ticks for level in depth.levels]


async def newest_snapshot() -> Snapshot:
    newest = await in_thread(lambda: Snapshot.objects.order_by("-sequence").first())
    assert newest is not None
    return newest


@pytest.mark.parametrize("damage", ["state", "state_hash", "format"])
@pytest.mark.parametrize("all_of_them", [False, True])
async def test_a_snapshot_that_cannot_be_read_costs_time_only(
    history: list[int], damage: str, all_of_them: bool
) -> None:
    def do_damage() -> None:
        rows = Snapshot.objects.order_by("-sequence")
        for row in rows if all_of_them else rows[:1]:
            if damage == "state":
                row.state = bytes(row.state[:-1])
            elif damage == "format":
                row.state = bytes(row.state).replace(b"rialto-snapshot-", b"rialto-snapshot+")
            else:
                row.state_hash = bytes(32)
            row.save()

    await in_thread(do_damage)
    replica = Replica()
    await in_thread(replica.recover)
    assert replica.sequence == await in_thread(journal.last_sequence)
    assert await recovered_prices() == history


async def test_a_journal_that_ends_before_a_snapshot_has_lost_commands(history: list[int]) -> None:
    newest = await newest_snapshot()
    await in_thread(JournalBatch.objects.filter(last_sequence__gte=newest.sequence).delete)
    with pytest.raises(JournalDamaged):
        await in_thread(Replica().recover)


async def test_tables_that_are_ahead_of_the_journal_stop_the_start(history: list[int]) -> None:
    """As after an older journal was restored from a backup beside newer tables."""
    end = await in_thread(journal.last_sequence)
    cursor = await in_thread(
        lambda: ProjectionCursor.objects.update_or_create(
            name="test.ahead", defaults={"sequence": end + 1}
        )
    )
    with pytest.raises(JournalDamaged, match="rebuild_projections"):
        async with running_engine():
            pass
    verifier = JournalVerifier(check_every=10)
    await in_thread(lambda: list(verifier.run()))
    assert verifier.report()["bad_sequence"] == end + 1
    await in_thread(cursor[0].delete)
    async with running_engine():
        pass


async def test_an_edited_epoch_table_cannot_bring_an_epoch_back(history: list[int]) -> None:
    await in_thread(Epoch.objects.all().delete)
    async with running_engine(), running_gateway() as gateway:
        status = await gateway.query(protocol.GetStatus())
    assert isinstance(status, protocol.Status)
    assert status.epoch == 2
    epochs = [batch.epoch for batch in await in_thread(journal.read_batches, 0)]
    assert epochs == sorted(epochs)


async def test_a_reader_stops_at_a_gap(history: list[int]) -> None:
    rows = await in_thread(lambda: list(JournalBatch.objects.order_by("first_sequence")[3:5]))
    await in_thread(JournalBatch.objects.filter(pk=rows[0].pk).delete)
    for after in (0, rows[0].first_sequence - 1):
        with pytest.raises(JournalDamaged) as caught:
            await in_thread(journal.read_batches, after)
        assert caught.value.sequence == rows[0].first_sequence


async def test_a_read_takes_no_more_rows_than_its_limit_of_commands(
    history: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "READ_COMMANDS", 5)
    end = await in_thread(journal.last_sequence)
    batches = await in_thread(journal.read_batches, 0)
    assert 5 <= batches[-1].last_sequence < end
    while more := await in_thread(journal.read_batches, batches[-1].last_sequence):
        batches += more
    assert batches[-1].last_sequence == end


async def test_a_snapshot_and_the_rest_give_what_a_full_replay_gives_and_what_was_live(
    settings: Any,
) -> None:
    """Bit for bit, and with the same memory of answers."""
    settings.ENGINE_SNAPSHOT_EVERY = 5
    async with running_venue() as gateway:
        price = 100
        async with asyncio.timeout(60):
            while await in_thread(Snapshot.objects.count) < 2:
                await place(gateway, 1, Side.BUY, price, 5, f"b{price}")
                await place(gateway, 2, Side.SELL, price, 2)
                price += 1
        settings.ENGINE_SNAPSHOT_EVERY = 1_000_000  # so that something comes after the newest one
        await place(gateway, 1, Side.BUY, price, 5)
        live = await gateway.query(protocol.GetStateHash())
    short, full = Replica(), Replica()
    await in_thread(short.recover)
    newest = await newest_snapshot()
    assert 0 < newest.sequence < short.sequence
    await in_thread(Snapshot.objects.all().delete)
    await in_thread(full.recover)
    assert isinstance(live, protocol.StateHash)
    assert (short.sequence, state_hash(short.engine)) == (live.sequence, live.state_hash)
    assert snapshot(short.engine) == snapshot(full.engine)
    assert short.checksum == full.checksum
    assert len(short.answers) == len(full.answers) > 0
    for entry in (one for row in await in_thread(journal.read_batches, 0) for one in row.entries):
        if entry.command_id:
            assert short.answers.get(entry.command_id) == full.answers.get(entry.command_id)
