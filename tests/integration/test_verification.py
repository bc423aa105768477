"""`verify_journal` finds each kind of tampering, and names the first bad sequence."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orderbook import journal
from orderbook.core.units import Side
from orderbook.models import Epoch, JournalBatch, ProjectionCursor, Snapshot
from orderbook.worker.projector import Projector
from orderbook.worker.verification import JournalVerifier
from tests.integration.venue import place, running_venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

Tamper = Callable[[], int]
"""Changes something and gives the sequence that must be reported."""


def nth_row(number: int) -> JournalBatch:
    return JournalBatch.objects.order_by("first_sequence")[number]


def delete_the_last_row() -> int:
    first_sequence = JournalBatch.objects.order_by("-first_sequence")[0].first_sequence
    JournalBatch.objects.filter(pk=first_sequence).delete()
    return first_sequence


def delete_a_row() -> int:
    first_sequence = nth_row(6).first_sequence
    JournalBatch.objects.filter(pk=first_sequence).delete()
    return first_sequence


def swap_two_rows() -> int:
    one, two = nth_row(6), nth_row(7)
    payloads = one.payload, two.payload
    two.payload, one.payload = payloads
    one.save()
    two.save()
    return one.first_sequence


def insert_a_row_twice() -> int:
    """With the next free number, as if an order had been replayed."""
    row = JournalBatch.objects.order_by("-first_sequence")[0]
    row.first_sequence = row.last_sequence = row.last_sequence + 1
    row.save(force_insert=True)
    return row.first_sequence


def overlap_a_row() -> int:
    """Ends a row later than its commands."""
    row = nth_row(6)
    JournalBatch.objects.filter(pk=row.pk).update(last_sequence=row.last_sequence + 10_000)
    return row.first_sequence


def turn_time_back() -> int:
    row = nth_row(6)
    JournalBatch.objects.filter(pk=row.pk).update(time_ns=1)
    return row.first_sequence


def make_time_negative() -> int:
    row = nth_row(6)
    JournalBatch.objects.filter(pk=row.pk).update(time_ns=-1)
    return row.first_sequence


def edit_a_snapshots_state() -> int:
    row = Snapshot.objects.order_by("-sequence")[0]
    state = bytes(row.state)
    Snapshot.objects.filter(pk=row.pk).update(state=state[:-1] + bytes([state[-1] ^ 1]))
    return row.sequence


def edit_a_snapshots_hash() -> int:
    row = Snapshot.objects.order_by("-sequence")[0]
    Snapshot.objects.filter(pk=row.pk).update(state_hash=bytes(32))
    return row.sequence


def move_a_snapshot_ahead() -> int:
    row = Snapshot.objects.order_by("-sequence")[0]
    end = journal.last_sequence()
    Snapshot.objects.filter(pk=row.pk).update(sequence=end + 7)
    return end + 1


def forget_an_epoch() -> int:
    Epoch.objects.all().delete()
    return 1


TAMPERS: list[Tamper] = [
    delete_the_last_row,
    delete_a_row,
    swap_two_rows,
    insert_a_row_twice,
    overlap_a_row,
    turn_time_back,
    make_time_negative,
    edit_a_snapshots_state,
    edit_a_snapshots_hash,
    move_a_snapshot_ahead,
    forget_an_epoch,
]


def verdict() -> dict[str, Any]:
    verifier = JournalVerifier(check_every=10)
    for _ in verifier.run():
        pass
    return verifier.report()


@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda tamper: tamper.__name__)
async def test_tampering_is_found(settings: Any, tamper: Tamper) -> None:
    settings.ENGINE_SNAPSHOT_EVERY = 5
    async with running_venue() as gateway:
        for price in range(100, 120):
            await place(gateway, 1, Side.BUY, price, 5)
    await asyncio.to_thread(Projector().catch_up)
    assert (await asyncio.to_thread(verdict))["intact"]
    bad = await asyncio.to_thread(tamper)
    report = await asyncio.to_thread(verdict)
    assert not report["intact"]
    assert report["bad_sequence"] == bad, report["detail"]


async def test_a_venue_that_goes_on_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables may pass the place where the replay ends, when it ends."""
    async with running_venue() as gateway:
        await place(gateway, 1, Side.BUY, 100, 5)
        verifier = JournalVerifier(check_every=10)
        steps = verifier.run()
        seen = [await asyncio.to_thread(next, steps)]
        await asyncio.to_thread(Projector().catch_up)
        end = await asyncio.to_thread(journal.last_sequence)
        await asyncio.to_thread(
            ProjectionCursor.objects.filter(name="trading").update, sequence=end + 50
        )
        seen += await asyncio.to_thread(list, steps)
    assert seen[-1] == end
    assert verifier.fault is None


async def test_a_snapshot_between_rows_is_found(settings: Any) -> None:
    settings.ENGINE_SNAPSHOT_EVERY = 5
    async with running_venue() as gateway:
        await asyncio.gather(*(place(gateway, 1, Side.BUY, 100, 5) for _ in range(50)))

    def move_into_a_row() -> int:
        wide = next(row for row in JournalBatch.objects.all() if row.last_sequence > row.pk)
        row = Snapshot.objects.order_by("-sequence")[0]
        Snapshot.objects.exclude(pk=row.pk).delete()
        Snapshot.objects.filter(pk=row.pk).update(sequence=wide.pk)
        return wide.pk

    bad = await asyncio.to_thread(move_into_a_row)
    report = await asyncio.to_thread(verdict)
    assert report["bad_sequence"] == bad
    assert await asyncio.to_thread(ProjectionCursor.objects.count) == 0
