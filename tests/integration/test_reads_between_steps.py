"""A read that sees a cursor and then rows that a projector's step has moved on: still exact.

The two come from different moments, so rows may know more than the cursor says. Here the cursors
are turned back under tables that are level; whatever a selector overlays is in the rows already.
"""

import asyncio
from typing import Any

import pytest

from accounts import selectors as money
from accounts.models import User
from market import selectors as market
from market.values import CANDLE_INTERVALS_S
from orderbook import journal
from orderbook.core.commands import CancelOrder
from orderbook.core.units import Side
from orderbook.gateway import tail
from orderbook.gateway.pagination import PageRequest
from orderbook.models import JournalBatch, ProjectionCursor
from orderbook.worker.projector import Projector
from tests.integration.venue import SYMBOL, place, running_venue
from trading import selectors as trading
from trading.order_entry import Reference

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

ALL = PageRequest(500)
USERS = (1, 2)
DAY_S = CANDLE_INTERVALS_S["1d"]


def all_reads() -> dict[str, Any]:
    found: dict[str, Any] = {
        "trades": market.recent_trades(SYMBOL),
        "candles": market.candles(SYMBOL, DAY_S),
        "named": trading.order_of(1, Reference(0, "bid-105")),
    }
    for user in User.objects.filter(id__in=USERS):
        me = user.pk
        found |= {
            f"orders {me}": trading.orders_of(me, ALL).results,
            f"open {me}": trading.open_orders(me),
            f"fills {me}": trading.fills_of(me, ALL).results,
            f"balances {me}": money.balances_of(me),
            f"ledger {me}": money.ledger_of(me, ALL).results,
            f"notices {me}": money.notifications_of(user, ALL).results,
        }
    return found


async def test_rows_that_are_ahead_of_the_cursor_are_not_counted_twice() -> None:
    for account_id in USERS:
        await User.objects.acreate(
            id=account_id, username=f"u{account_id}", email=f"{account_id}@x.y"
        )
    async with running_venue() as gateway:
        for price in range(100, 110):
            await place(gateway, 1, Side.BUY, price, 5, f"bid-{price}")
        await place(gateway, 2, Side.SELL, 105, 22)
        await place(gateway, 2, Side.SELL, 103, 4)
        await gateway.submit(CancelOrder(1, 0, "bid-101"))
    tail.forget()
    unprojected = await asyncio.to_thread(all_reads)
    await asyncio.to_thread(Projector().catch_up)
    level = await asyncio.to_thread(all_reads)
    assert level == unprojected
    assert level["trades"]
    ends = await asyncio.to_thread(
        lambda: list(JournalBatch.objects.values_list("last_sequence", flat=True))
    )
    assert max(ends) == await asyncio.to_thread(journal.last_sequence)
    for end in [0, *sorted(ends)]:
        await asyncio.to_thread(ProjectionCursor.objects.update, sequence=end)
        assert await asyncio.to_thread(all_reads) == level, f"cursor at {end}"
