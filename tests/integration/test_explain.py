"""Explanations from a journal that a running engine has written, while it runs."""

import asyncio

import pytest
from channels.db import database_sync_to_async

from orderbook.core.commands import AmendOrder, CancelOrder
from orderbook.core.units import Side
from orderbook.explanation.explain import explain_client_order, explain_command, explain_order
from tests.integration.venue import limit_order, place, running_venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)


async def test_orders_are_explained_beside_the_engine() -> None:
    async with running_venue() as gateway:
        await asyncio.gather(
            *(place(gateway, 1, Side.BUY, 100 + number, 10) for number in range(20))
        )
        mine = (await place(gateway, 2, Side.BUY, 110, 50, "mine")).events[0].order_id
        await gateway.submit(AmendOrder(2, mine, quantity_lots=40))
        await place(gateway, 1, Side.SELL, 110, 120)
        refused = await gateway.submit(limit_order(2, Side.BUY, 110, 10**12 + 1, "too-much"))
        told = await database_sync_to_async(explain_order)(mine)
        facts = {step.kind: step.facts for step in told.steps}
        assert facts["queue"]["orders_at_better_prices"] == 9
        assert facts["queue"]["orders_at_its_price"] == 1
        assert facts["amended"]["kept_priority"] == "yes"
        assert facts["fill"]["quantity_lots"] == 20, "nine orders and one came before it"
        assert facts["now"]["open_lots"] == 20
        named = await database_sync_to_async(explain_client_order)(2, "too-much")
        assert named.summary.startswith("Refused (quantity_too_large)")
        assert await database_sync_to_async(explain_command)(refused.sequence) == named
        await gateway.submit(CancelOrder(2, mine))
    ended = await database_sync_to_async(explain_order)(mine)
    assert ended.steps[-1].facts["reason"] == "user"
    assert ended.steps[: len(told.steps) - 1] == told.steps[:-1]
