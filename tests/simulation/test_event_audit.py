"""The audit of events by itself: what the engine never does must not pass it."""

from collections.abc import Sequence
from typing import get_args

import pytest

from orderbook.core.commands import (
    AdvanceTime,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenEpoch,
    PlaceOrder,
    PlaceOrderList,
)
from orderbook.core.engine import Engine
from orderbook.core.events import Event, KillSwitchSet, OrderCanceled, Trade
from orderbook.core.terms import OrderOptions
from orderbook.core.units import CancelReason, OrderListKind, OrderType, Side, TimeInForce
from tests.simulation.errors import Violation
from tests.simulation.event_audit import EventAudit

SYMBOL = "BTC-USDT"
SECOND_NS = 10**9
SETUP: tuple[Command, ...] = (
    DefineAsset("BTC", 8),
    DefineAsset("USDT", 8),
    DefineInstrument(SYMBOL, "BTC", "USDT", 1_000, 10, 800, 1_000, 0, 10**9),
    *(Deposit(account, asset, 10**9, "") for account in (1, 2) for asset in ("BTC", "USDT")),
)


class Venue:
    """An engine whose events the test may change before the audit sees them."""

    def __init__(self) -> None:
        self.audit = EventAudit()
        self._engine = Engine()
        self._sequence = 0
        for command in SETUP:
            self.take(command)

    def take(self, command: Command, *, at_ns: int = 0, without: type[Event] | None = None) -> None:
        events = self._engine.apply(command, at_ns)
        if without is not None:
            assert any(isinstance(event, without) for event in events)
        self.see(command, [one for one in events if type(one) is not without], at_ns)

    def see(self, command: Command, events: Sequence[Event], at_ns: int = 0) -> None:
        self._sequence += 1
        self.audit.take(self._sequence, at_ns, command, events)


def order(
    account_id: int,
    side: Side,
    price_ticks: int,
    lots: int,
    type_: OrderType = OrderType.LIMIT,
    time_in_force: TimeInForce = TimeInForce.GTC,
    **options: int,
) -> PlaceOrder:
    given = OrderOptions(**options) if options else None  # type: ignore[arg-type]
    return PlaceOrder(account_id, SYMBOL, side, type_, time_in_force, price_ticks, lots, "", given)


def oco() -> PlaceOrderList:
    limit = order(1, Side.SELL, 105, 10)
    stop = order(1, Side.SELL, 0, 10, OrderType.STOP_MARKET, stop_ticks=95)
    return PlaceOrderList(OrderListKind.OCO, (limit, stop))


def test_every_event_has_a_case_and_another_one_fails() -> None:
    audit = EventAudit()
    assert set(get_args(Event)) == set(audit._cases)
    with pytest.raises(Violation, match="no rule"):
        audit.take(1, 0, AdvanceTime(), ["something new"])  # type: ignore[list-item]


def test_the_other_order_of_a_list_must_go_when_one_trades() -> None:
    venue = Venue()
    venue.take(oco())
    buy = order(2, Side.BUY, 105, 4)
    with pytest.raises(Violation, match=r"rules.*both are open"):
        venue.take(buy, without=OrderCanceled)


def test_both_orders_of_a_list_must_not_fill_more_than_it_is_for() -> None:
    venue = Venue()
    venue.take(oco())
    list_ = venue.audit._orders._lists[1]
    list_.filled_lots = 7
    with pytest.raises(Violation, match="fill 11 lots, and are for 10"):
        venue.take(order(2, Side.BUY, 105, 4))


def test_no_order_is_open_after_its_end() -> None:
    venue = Venue()
    end = {"expire_time_ns": SECOND_NS}
    venue.take(order(1, Side.SELL, 105, 5, time_in_force=TimeInForce.GTD, **end))
    venue.see(OpenEpoch(1), [], SECOND_NS)
    venue.see(AdvanceTime(), [], SECOND_NS)
    venue.see(Deposit(1, "BTC", 1, ""), [], SECOND_NS - 1)
    with pytest.raises(Violation, match=r"rules.*still open"):
        venue.see(Deposit(1, "BTC", 1, ""), [], SECOND_NS)


def test_an_order_must_not_expire_before_its_end() -> None:
    venue = Venue()
    end = {"expire_time_ns": SECOND_NS}
    venue.take(order(1, Side.SELL, 105, 5, time_in_force=TimeInForce.GTD, **end))
    with pytest.raises(Violation, match="before the order's end"):
        venue.see(
            AdvanceTime(),
            [OrderCanceled(1, 1, SYMBOL, "", 5, CancelReason.EXPIRED)],
            SECOND_NS - 1,
        )


def test_a_stopped_account_must_not_trade() -> None:
    venue = Venue()
    venue.take(order(1, Side.SELL, 105, 5))
    trade = next(
        event
        for event in venue._engine.apply(order(2, Side.BUY, 105, 5), 0)
        if isinstance(event, Trade)
    )
    venue.audit._markets.set_kill_switch(KillSwitchSet(1, True), "here")
    with pytest.raises(Violation, match="kill switch is engaged"):
        venue.audit._markets.trade(trade, "here")
