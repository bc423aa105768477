"""Long seeded flows of amends, replaces, batches, limits and switches among orders of every kind:
every invariant holds after each command, and a snapshot at any point goes on as the whole does."""

import random

import pytest

from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    Batch,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    Command,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    SetAccountLimits,
    SetKillSwitch,
    SetPhase,
)
from orderbook.core.engine import Engine
from orderbook.core.events import (
    BatchExecuted,
    Event,
    OrderAmended,
    OrderCanceled,
    OrderListAccepted,
    OrderTriggered,
)
from orderbook.core.invariants import check
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    SECOND_NS,
    CancelReason,
    InstrumentStatus,
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.unit.core.venue import ALICE, BOB, BUY, CAROL, LIMIT, SELL, SETUP, SYMBOL

STEP_NS = SECOND_NS // 4
COMMANDS = 500


class Flow:
    """Commands that mostly mean something: their ids are mostly those of open orders."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.time_ns = 0

    def next(self, engine: Engine) -> Command:
        rng = self._rng
        account_id = rng.choice((ALICE, BOB, CAROL))
        order_id = rng.choice((99, *engine.accounts[account_id].orders))
        kind = rng.random()
        if kind < 0.45:
            return self._order(account_id)
        if kind < 0.60:
            return self._amend(account_id, order_id)
        if kind < 0.68:
            order = engine.accounts[account_id].orders.get(order_id)
            side = None if order is None else order.side
            return ReplaceOrder(order_id, self._order(account_id, side))
        if kind < 0.76:
            return self._batch(account_id, order_id)
        if kind < 0.82:
            return CancelOrder(account_id, order_id)
        if kind < 0.88:
            return self._list(account_id)
        return self._rare(account_id)

    def _rare(self, account_id: int) -> Command:
        rng = self._rng
        return rng.choice(
            (
                CancelAllOrders(account_id, side=rng.choice((BUY, SELL, None))),
                CancelAllAfter(account_id, rng.choice((0, SECOND_NS, 5 * SECOND_NS))),
                SetAccountLimits(
                    account_id,
                    rng.choice(list(SelfTradePrevention)),
                    rng.choice((0, 12)),
                    rng.choice((0, 0, 3)),
                    rng.choice((0, 0, 4)),
                ),
                SetKillSwitch(rng.choice((0, account_id)), rng.random() < 0.2),
                SetKillSwitch(0, False),
                SetKillSwitch(account_id, False),
                SetPhase(
                    SYMBOL,
                    rng.choice(
                        (
                            InstrumentStatus.OPENING_AUCTION,
                            InstrumentStatus.POST_ONLY,
                            *[InstrumentStatus.TRADING] * 4,
                        )
                    ),
                ),
            )
        )

    def _order(self, account_id: int, side: Side | None = None) -> PlaceOrder:
        rng = self._rng
        side = side or rng.choice((BUY, SELL))
        price_ticks, lots = 100 + rng.randint(-8, 8), rng.randint(1, 20)
        time_in_force = rng.choice((TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD))
        expire_time_ns = 0
        if time_in_force is TimeInForce.GTD:
            expire_time_ns = self.time_ns + rng.randint(1, 40) * STEP_NS
        kind = rng.random()
        options = OrderOptions(expire_time_ns=expire_time_ns)
        type = LIMIT
        if kind < 0.15:
            options = OrderOptions(display_lots=max(1, lots // 3), expire_time_ns=expire_time_ns)
        elif kind < 0.3:
            post_only = rng.choice((PostOnly.REJECT, PostOnly.REPRICE))
            options = OrderOptions(post_only=post_only, expire_time_ns=expire_time_ns)
        elif kind < 0.45:
            type = rng.choice((OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT))
            stop_ticks = 100 + rng.randint(-10, 10)
            options = OrderOptions(stop_ticks=stop_ticks, expire_time_ns=expire_time_ns)
        elif kind < 0.5:
            type, price_ticks = OrderType.TRAILING_STOP, 0
            options = OrderOptions(trail_ticks=3, expire_time_ns=expire_time_ns)
        elif kind < 0.7:
            time_in_force = rng.choice((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK))
            return PlaceOrder(account_id, SYMBOL, side, LIMIT, time_in_force, price_ticks, lots)
        return PlaceOrder(
            account_id, SYMBOL, side, type, time_in_force, price_ticks, lots, "", options
        )

    def _amend(self, account_id: int, order_id: int) -> AmendOrder:
        rng = self._rng
        return AmendOrder(
            account_id,
            order_id,
            price_ticks=rng.choice((0, 100 + rng.randint(-8, 8))),
            quantity_lots=rng.choice((0, rng.randint(1, 25))),
            stop_ticks=rng.choice((0, 0, 0, 100 + rng.randint(-10, 10))),
        )

    def _batch(self, account_id: int, order_id: int) -> Batch:
        rng = self._rng
        all_or_nothing = rng.random() < 0.5
        cancels = [CancelOrder(account_id, order_id)] * rng.randint(0, 1)
        orders = [self._order(account_id) for _ in range(rng.randint(1, 3))]
        amends = [] if all_or_nothing else [self._amend(account_id, order_id)]
        return Batch(account_id, (*cancels, *orders, *amends), all_or_nothing)

    def _list(self, account_id: int) -> PlaceOrderList:
        rng = self._rng
        lots, distance = rng.randint(1, 10), rng.randint(3, 9)
        gtc, stop = TimeInForce.GTC, OrderType.STOP_MARKET
        legs = (
            PlaceOrder(account_id, SYMBOL, SELL, LIMIT, gtc, 100 + distance, lots),
            PlaceOrder(
                account_id,
                SYMBOL,
                SELL,
                stop,
                gtc,
                0,
                lots,
                "",
                OrderOptions(stop_ticks=100 - distance),
            ),
        )
        return PlaceOrderList(OrderListKind.OCO, legs)


@pytest.mark.parametrize("seed", range(12))
def test_a_long_flow_stays_sound_and_goes_on_from_any_snapshot(seed: int) -> None:
    flow = Flow(seed)
    rng = random.Random(seed)
    engine = Engine()
    for number, command in enumerate(SETUP):
        engine.apply(command, number)
    seen: list[Event] = []
    for _ in range(COMMANDS):
        flow.time_ns += rng.randint(1, STEP_NS)
        command = flow.next(engine)
        if engine.next_due_ns <= flow.time_ns:
            command = AdvanceTime()
        twin = restore(snapshot(engine)) if rng.random() < 0.2 else None
        events = engine.apply(command, flow.time_ns)
        check(engine)
        seen += events
        if twin is not None:
            assert twin.apply(command, flow.time_ns) == events
            assert state_hash(twin) == state_hash(engine)
    happened = {type(event) for event in seen}
    assert {OrderAmended, BatchExecuted, OrderListAccepted, OrderTriggered} <= happened
    reasons = {event.reason for event in seen if isinstance(event, OrderCanceled)}
    assert {CancelReason.REPLACED, CancelReason.EXPIRED} <= reasons
