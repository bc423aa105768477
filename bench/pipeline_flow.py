"""The flow of bench_pipeline: seeded commands over one instrument, with what must come of them.

Of a hundred commands 50 are passive limit orders within 50 ticks of the middle, 40 cancels of a
random open order and 10 marketable limit orders. An engine core runs along in the bench's own
process, so that cancels name open orders and every answer of the venue can be compared.
"""

import random
from collections.abc import Iterator

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
CANCEL_SHARE = 0.4
MARKETABLE_SHARE = 0.1
ACCOUNTS = range(1, 11)


def start_commands() -> Iterator[Command]:
    """What makes the instrument and funds its traders."""
    yield DefineAsset("BTC", 8)
    yield DefineAsset("USDT", 6)
    yield DefineInstrument(SYMBOL, "BTC", "USDT", 1000, 1, 100, 200, 0, 10**9)
    for account_id in ACCOUNTS:
        yield Deposit(account_id, "BTC", 10**15, "base")
        yield Deposit(account_id, "USDT", 10**17, "quote")


class Flow:
    """An endless flow; ``take`` gives its next part."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._twin = Engine()
        for command in start_commands():
            self._twin.apply(command, 0)
        self._open_ids: list[int] = []
        self._places: dict[int, int] = {}
        self._owners: dict[int, int] = {}

    def take(self, count: int) -> tuple[list[Command], list[list[Event]]]:
        """Commands, and the events of each."""
        commands: list[Command] = []
        events: list[list[Event]] = []
        for _ in range(count):
            command = self._next()
            done = self._twin.apply(command, 0)
            for event in done:
                self._note(event)
            commands.append(command)
            events.append(done)
        for book in self._twin.books.values():
            book.drain_changes()
        return commands, events

    def _next(self) -> Command:
        draw = self._random.random()
        if draw < CANCEL_SHARE and self._open_ids:
            order_id = self._open_ids[self._random.randrange(len(self._open_ids))]
            return CancelOrder(self._owners[order_id], order_id)
        side = self._random.choice((Side.BUY, Side.SELL))
        marketable = draw >= 1 - MARKETABLE_SHARE
        offset = self._random.randint(1, PASSIVE_RANGE_TICKS)
        upward = (side is Side.BUY) == marketable
        return PlaceOrder(
            self._random.choice(ACCOUNTS),
            SYMBOL,
            side,
            OrderType.LIMIT,
            TimeInForce.IOC if marketable else TimeInForce.GTC,
            MIDDLE_TICKS + (offset if upward else -offset),
            self._random.randint(1, MAX_ORDER_LOTS),
        )

    def _note(self, event: Event) -> None:
        if isinstance(event, OrderAccepted):
            if event.time_in_force is TimeInForce.GTC:
                self._owners[event.order_id] = event.account_id
                self._places[event.order_id] = len(self._open_ids)
                self._open_ids.append(event.order_id)
        elif isinstance(event, OrderCanceled):
            self._forget(event.order_id)
        elif isinstance(event, Trade):
            maker = self._twin.accounts[event.maker_account_id]
            if event.maker_order_id not in maker.orders:
                self._forget(event.maker_order_id)

    def _forget(self, order_id: int) -> None:
        place = self._places.pop(order_id, None)
        if place is None:
            return
        del self._owners[order_id]
        last = self._open_ids.pop()
        if last != order_id:
            self._open_ids[place] = last
            self._places[last] = place
