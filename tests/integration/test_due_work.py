"""The engine's own commands: what is due is done first, and no batch takes more than it should."""

import asyncio

import pytest

from orderbook import journal
from orderbook.core.commands import AdvanceTime, PlaceOrder, SetPhase
from orderbook.core.events import OrderAccepted, OrderCanceled
from orderbook.core.units import CancelReason, InstrumentStatus, OrderType, Side, TimeInForce
from orderbook.gateway.protocol import GetStateHash
from orderbook.worker.recovery import Replica
from tests.integration.venue import SYMBOL, limit_order, running_venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

ORDERS = 5


def of_the_day(price_ticks: int) -> PlaceOrder:
    return PlaceOrder(1, SYMBOL, Side.BUY, OrderType.LIMIT, TimeInForce.DAY, price_ticks, 5)


async def test_much_that_is_due_is_spread_over_batches_and_comes_before_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orderbook.core.timekeeper.MAX_TIMERS", 1)
    monkeypatch.setattr("orderbook.worker.applying.MAX_DUE_EVENTS", 1)
    async with running_venue() as gateway:
        for price_ticks in range(100, 100 + ORDERS):
            await gateway.submit(of_the_day(price_ticks))
        answers = await gateway.submit_many(
            [
                SetPhase(SYMBOL, InstrumentStatus.CLOSED),
                SetPhase(SYMBOL, InstrumentStatus.TRADING),
                limit_order(2, Side.SELL, 100, 5),
            ]
        )
        live = await gateway.query(GetStateHash())
    closed, traded, sold = answers
    assert isinstance(sold.events[0], OrderAccepted), "nothing was left that it could trade with"
    assert traded.sequence == closed.sequence + ORDERS + 1
    rows = await asyncio.to_thread(journal.read_batches, 0, 10_000)
    own = [[one for one in row.entries if isinstance(one.command, AdvanceTime)] for row in rows]
    assert [len(commands) for commands in own if commands] == [1] * ORDERS
    reasons = [
        event.reason
        for commands in own
        for one in commands
        for event in one.events
        if isinstance(event, OrderCanceled)
    ]
    assert reasons == [CancelReason.EXPIRED] * ORDERS
    replica = Replica()
    await asyncio.to_thread(replica.recover)
    assert replica.sequence == sold.sequence == live.sequence
