"""The order flow of bench/bench_engine.py, in words that every engine's adapter can translate.

One instrument; 50 % passive limit orders within 50 ticks of the middle, 40 % cancels of a random
open order, 10 % marketable limit orders whose rest is canceled. Passive and marketable orders come
from different accounts, so that no order ever meets one of its own account's and engines that know
no accounts must make the very same trades.
"""

import random
from typing import NamedTuple

from orderbook.core.commands import (
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    PlaceOrder,
)
from orderbook.core.engine import Engine
from orderbook.core.events import Event, OrderAccepted, OrderCanceled, Trade
from orderbook.core.units import OrderType, Side, TimeInForce

SYMBOL = "BTC-USDT"
MIDDLE_TICKS = 1_000_000
PASSIVE_RANGE_TICKS = 50
MAX_ORDER_LOTS = 100
PASSIVE_ACCOUNTS = range(1, 11)
MARKETABLE_ACCOUNTS = range(11, 21)
CANCEL_SHARE = 0.4
MARKETABLE_SHARE = 0.1


class Operation(NamedTuple):
    """``lots`` 0: cancel the order with this id. Otherwise a limit order, which got this id."""

    order_id: int
    account_id: int
    is_buy: bool = False
    price_ticks: int = 0
    lots: int = 0
    is_marketable: bool = False


def funded_engine() -> Engine:
    """An engine with the flow's instrument and with more money than the flow can use up."""
    engine = Engine()
    engine.apply(DefineAsset("BTC", 8), 0)
    engine.apply(DefineAsset("USDT", 6), 0)
    engine.apply(DefineInstrument(SYMBOL, "BTC", "USDT", 1000, 1, 100, 200, 0, 10**9), 0)
    for account_id in (*PASSIVE_ACCOUNTS, *MARKETABLE_ACCOUNTS):
        engine.apply(Deposit(account_id, "BTC", 10**15, "base"), 0)
        engine.apply(Deposit(account_id, "USDT", 10**17, "quote"), 0)
    return engine


def command_of(operation: Operation) -> Command:
    if not operation.lots:
        return CancelOrder(operation.account_id, operation.order_id)
    return PlaceOrder(
        operation.account_id,
        SYMBOL,
        Side.BUY if operation.is_buy else Side.SELL,
        OrderType.LIMIT,
        TimeInForce.IOC if operation.is_marketable else TimeInForce.GTC,
        operation.price_ticks,
        operation.lots,
    )


class OpenOrders:
    """Which orders are open, for a random choice of one in constant time."""

    def __init__(self) -> None:
        self._remaining_lots: dict[int, int] = {}
        self._ids: list[int] = []
        self._places: dict[int, int] = {}
        self._owners: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def choose(self, rng: random.Random) -> Operation:
        """The cancel of one of them."""
        order_id = self._ids[rng.randrange(len(self._ids))]
        return Operation(order_id, self._owners[order_id])

    def follow(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, OrderAccepted):
                if event.time_in_force is TimeInForce.GTC:
                    self._add(event)
            elif isinstance(event, OrderCanceled):
                self._forget(event.order_id)
            elif isinstance(event, Trade):
                maker_id = event.maker_order_id
                self._remaining_lots[maker_id] -= event.quantity_lots
                if not self._remaining_lots[maker_id]:
                    self._forget(maker_id)

    def _add(self, event: OrderAccepted) -> None:
        order_id = event.order_id
        self._owners[order_id] = event.account_id
        self._remaining_lots[order_id] = event.quantity_lots
        self._places[order_id] = len(self._ids)
        self._ids.append(order_id)

    def _forget(self, order_id: int) -> None:
        place = self._places.pop(order_id, None)
        if place is None:
            return
        del self._owners[order_id], self._remaining_lots[order_id]
        last = self._ids.pop()
        if last != order_id:
            self._ids[place] = last
            self._places[last] = place


def next_operation(rng: random.Random, open_orders: OpenOrders) -> Operation:
    """The cancel of an open order, or a new order, whose id is yet unknown (0)."""
    draw = rng.random()
    if draw < CANCEL_SHARE and len(open_orders):
        return open_orders.choose(rng)
    is_marketable = draw >= 1 - MARKETABLE_SHARE
    is_buy = rng.random() < 0.5
    offset_ticks = rng.randint(1, PASSIVE_RANGE_TICKS)
    accounts = MARKETABLE_ACCOUNTS if is_marketable else PASSIVE_ACCOUNTS
    return Operation(
        0,
        rng.choice(accounts),
        is_buy,
        MIDDLE_TICKS + (offset_ticks if is_buy == is_marketable else -offset_ticks),
        rng.randint(1, MAX_ORDER_LOTS),
        is_marketable,
    )


def accepted_id(events: list[Event]) -> int:
    """The id that the engine gave to an order of the flow, all of which it must accept."""
    event = events[0]
    assert isinstance(event, OrderAccepted), event
    return event.order_id


def make_flow(count: int, seed: int) -> list[Operation]:
    """``count`` operations. A twin engine runs along, so that cancels name orders that are open."""
    rng = random.Random(seed)
    twin = funded_engine()
    open_orders = OpenOrders()
    flow: list[Operation] = []
    for number in range(count):
        operation = next_operation(rng, open_orders)
        events = twin.apply(command_of(operation), number)
        open_orders.follow(events)
        if operation.lots:
            operation = operation._replace(order_id=accepted_id(events))
        flow.append(operation)
    return flow
