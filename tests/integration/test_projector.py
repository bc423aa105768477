"""The projector: every event once, cursor and rows together, and tables that equal the journal."""

import asyncio
import json
import threading
from collections.abc import Sequence
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import OperationalError

from orderbook import journal
from orderbook.core.commands import CancelOrder
from orderbook.core.events import Trade
from orderbook.core.units import Side
from orderbook.models import JournalBatch, ProjectionCursor
from orderbook.projections import Recorded, registered
from orderbook.worker import projector as projector_module
from orderbook.worker.projector import Projector
from tests.integration.venue import place, running_venue
from trading.models import Fill

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

PROJECTED_APPS = ("accounts", "market", "trading")
NOT_PROJECTED = {"User", "ReconciliationRun"}


class Recorder:
    """A projection that keeps what it was given, and fails when told to."""

    name = "test.recorder"

    def __init__(self) -> None:
        self.seen: list[Recorded] = []
        self.calls: list[int] = []
        self.failing = False

    def apply(self, records: Sequence[Recorded]) -> None:
        if self.failing:
            raise OperationalError("the database went away")
        self.seen += records
        self.calls.append(len(records))

    def reset(self) -> None:
        self.seen = []


async def make_history() -> None:
    async with running_venue() as gateway:
        for price in range(100, 110):
            await place(gateway, 1, Side.BUY, price, 5, f"bid-{price}")
        await place(gateway, 2, Side.SELL, 105, 20)
        await gateway.submit(CancelOrder(1, 0, "bid-101"))
        await gateway.submit(CancelOrder(1, 0, "never"))


def table_rows() -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that a projection writes, without arbitrary row ids."""
    rows = {}
    for app in PROJECTED_APPS:
        for model in apps.get_app_config(app).get_models():
            if model.__name__ in NOT_PROJECTED:
                continue
            auto = model._meta.auto_field
            names = [field.attname for field in model._meta.fields if field is not auto]
            rows[model._meta.label] = sorted(model._default_manager.values_list(*names), key=repr)
    return rows


async def test_every_event_is_applied_once_in_order():
    await make_history()
    recorder = Recorder()
    await asyncio.to_thread(Projector((recorder,)).catch_up)
    await asyncio.to_thread(Projector((recorder,)).catch_up)
    places = [(record.sequence, record.index) for record in recorder.seen]
    expected = [
        (record.sequence, record.index)
        for batch in await asyncio.to_thread(journal.read_batches, 0, 10_000)
        for record in journal.records(batch)
    ]
    assert places == expected


async def test_steps_are_bounded_and_never_split_a_row(monkeypatch):
    monkeypatch.setattr(projector_module, "MAX_COMMANDS_A_STEP", 1)
    await make_history()
    recorder = Recorder()
    await asyncio.to_thread(Projector((recorder,)).catch_up)
    assert len(recorder.calls) == await asyncio.to_thread(JournalBatch.objects.count)


async def test_a_failing_projection_keeps_its_cursor_and_catches_up_later():
    await make_history()
    recorder = Recorder()
    recorder.failing = True
    with pytest.raises(OperationalError):
        await asyncio.to_thread(Projector((recorder,)).catch_up)
    cursor = await asyncio.to_thread(ProjectionCursor.objects.get, name=recorder.name)
    assert cursor.sequence == 0
    recorder.failing = False
    await asyncio.to_thread(Projector((recorder,)).catch_up)
    await asyncio.to_thread(cursor.refresh_from_db)
    assert cursor.sequence == await asyncio.to_thread(journal.last_sequence)


async def test_a_projection_that_cannot_go_on_does_not_hold_up_the_others():
    class Broken(Recorder):
        name = "test.broken"

        def apply(self, records: Sequence[Recorded]) -> None:
            raise ValueError("this one does not know such an event")

    await make_history()
    recorder = Recorder()
    with pytest.raises(projector_module.ProjectionFailed, match=r"test\.broken"):
        await asyncio.to_thread(Projector((Broken(), recorder)).catch_up)
    cursors = dict(await asyncio.to_thread(lambda: list(ProjectionCursor.objects.values_list())))
    assert cursors["test.broken"] == 0
    assert cursors[recorder.name] == await asyncio.to_thread(journal.last_sequence)


async def test_two_projectors_at_once_apply_nothing_twice():
    await make_history()

    def run() -> None:
        Projector().catch_up()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    before = await asyncio.to_thread(table_rows)
    await asyncio.to_thread(call_command, "rebuild_projections", "--json", stdout=StringIO())
    assert await asyncio.to_thread(table_rows) == before


async def test_rebuilt_tables_equal_those_that_followed_live(monkeypatch):
    await make_history()
    monkeypatch.setattr(projector_module, "MAX_COMMANDS_A_STEP", 1)
    await asyncio.to_thread(Projector().catch_up)
    followed = await asyncio.to_thread(table_rows)
    assert followed["trading.Fill"]
    monkeypatch.undo()
    out = StringIO()
    await asyncio.to_thread(call_command, "rebuild_projections", "--json", stdout=out)
    assert json.loads(out.getvalue())["projections"] == [p.name for p in registered()]
    assert await asyncio.to_thread(table_rows) == followed


async def test_each_fill_is_in_the_tables_once_on_both_sides():
    await make_history()
    await asyncio.to_thread(Projector().catch_up)
    rows = await asyncio.to_thread(table_rows)
    trades = {
        record.event.trade_id: record.event
        for batch in await asyncio.to_thread(journal.read_batches, 0)
        for record in journal.records(batch)
        if isinstance(record.event, Trade)
    }
    fills = await asyncio.to_thread(
        lambda: list(Fill.objects.values_list("trade_id", "is_maker", "order_id", "account_id"))
    )
    assert len(trades) > 1
    assert sorted(fills) == sorted(
        side
        for trade_id, trade in trades.items()
        for side in (
            (trade_id, False, trade.taker_order_id, trade.taker_account_id),
            (trade_id, True, trade.maker_order_id, trade.maker_account_id),
        )
    )
    assert {row[0] for row in rows["market.PublicTrade"]} == set(trades)


def test_rebuilding_an_unknown_projection_names_the_known_ones():
    with pytest.raises(CommandError, match="trading"):
        call_command("rebuild_projections", "nonsense")


async def test_verify_journal_reports_a_whole_journal():
    await make_history()
    out = StringIO()
    await asyncio.to_thread(call_command, "verify_journal", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert report["intact"]
    assert report["commands"] == await asyncio.to_thread(journal.last_sequence)


async def test_verify_journal_exits_with_1_and_the_first_bad_sequence():
    await make_history()
    bad = await asyncio.to_thread(lambda: JournalBatch.objects.order_by("first_sequence")[5])
    await asyncio.to_thread(JournalBatch.objects.filter(pk__gte=bad.pk).update, payload=b"\x90")
    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        await asyncio.to_thread(call_command, "verify_journal", "--json", stdout=out)
    assert stopped.value.code == 1
    assert json.loads(out.getvalue())["bad_sequence"] == bad.first_sequence
