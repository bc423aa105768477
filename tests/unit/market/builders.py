"""Small values for market tests, and stand-ins for the feed and the gateway."""

import asyncio
from collections.abc import Callable
from typing import Any

from market.values import TradePrint
from orderbook.core.events import Event, InstrumentDefined, Trade
from orderbook.core.units import InstrumentStatus, Side
from orderbook.gateway.protocol import Depth, DepthUpdate, Level, PublishedBatch
from orderbook.journal import Entry, encode_entries
from orderbook.models import JournalBatch
from orderbook.projections import Recorded

SYMBOL = "BTC-USDT"
MINUTE_NS = 60 * 10**9
T0 = 1_700_000_040 * 10**9
"""2023-11-14 22:14:00 UTC: the start of a minute, neither of an hour nor of five minutes."""


def instrument(symbol: str = SYMBOL, **changes: Any) -> InstrumentDefined:
    base, _, quote = symbol.partition("-")
    values: dict[str, Any] = {
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "base_decimals": 8,
        "quote_decimals": 8,
        "lot_minor": 1_000,
        "tick_lot_minor": 10,
        "maker_fee_ppm": 800,
        "taker_fee_ppm": 1_000,
        "min_notional_minor": 5 * 10**8,
        "max_quantity_lots": 10**9,
        "status": InstrumentStatus.TRADING,
    }
    return InstrumentDefined(**{**values, **changes})


def trade(
    trade_id: int,
    price_ticks: int = 100,
    quantity_lots: int = 1,
    *,
    symbol: str = SYMBOL,
    taker_side: Side = Side.BUY,
    maker_account_id: int = 1,
    taker_account_id: int = 2,
) -> Trade:
    return Trade(
        trade_id=trade_id,
        symbol=symbol,
        base="BTC",
        quote="USDT",
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        base_minor=quantity_lots * 1_000,
        quote_minor=price_ticks * quantity_lots * 10,
        maker_order_id=2 * trade_id,
        maker_account_id=maker_account_id,
        maker_fee_minor=1,
        taker_order_id=2 * trade_id + 1,
        taker_account_id=taker_account_id,
        taker_fee_minor=1,
        taker_side=taker_side,
    )


def printed(trade_id: int, price_ticks: int, quantity_lots: int, time_ns: int) -> TradePrint:
    return TradePrint.of(trade(trade_id, price_ticks, quantity_lots), trade_id, time_ns)


def recorded(sequence: int, time_ns: int, *events: Event) -> list[Recorded]:
    return [Recorded(sequence, index, time_ns, event) for index, event in enumerate(events)]


def journal(sequence: int, time_ns: int, *events: Event) -> None:
    """Writes one command's events into the journal, as the next row."""
    from orderbook.core.commands import OpenEpoch

    JournalBatch.objects.create(
        first_sequence=sequence,
        last_sequence=sequence,
        epoch=1,
        time_ns=time_ns,
        payload=encode_entries([Entry(b"", OpenEpoch(1), list(events))]),
        checksum=bytes(16),
    )


def level(side: str, price_ticks: int, quantity_lots: int, order_count: int = 1) -> Level:
    return Level(Side(side), price_ticks, quantity_lots, order_count if quantity_lots else 0)


def depth(
    update_id: int, *levels: Level, sequence: int | None = None, symbol: str = SYMBOL
) -> Depth:
    return Depth(symbol, update_id if sequence is None else sequence, update_id, T0, list(levels))


def update(first: int, last: int, *levels: Level, symbol: str = SYMBOL) -> DepthUpdate:
    return DepthUpdate(symbol, first, last, list(levels))


def batch(
    sequence: int, *events: Event, updates: list[DepthUpdate] | None = None, time_ns: int = T0
) -> PublishedBatch:
    entries = [(sequence, time_ns, list(events))] if events else []
    return PublishedBatch(sequence - 1, sequence, time_ns, entries, updates or [])


class FakeFeed:
    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def subscribe(self, listener: Any) -> None:
        self.listeners.append(listener)

    def unsubscribe(self, listener: Any) -> None:
        self.listeners.remove(listener)

    def send(self, message: PublishedBatch) -> None:
        for listener in self.listeners:
            listener.on_batch(message)

    def lose(self) -> None:
        for listener in self.listeners:
            listener.on_gap()


class FakeGateway:
    """Answers queries for depth; ``hold`` keeps the answers back, ``failures`` raises first."""

    def __init__(self, book: Depth) -> None:
        self.book = book
        self.failures: list[Exception] = []
        self.asked = 0
        self.last_acknowledged_sequence = 0
        self._go = asyncio.Event()
        self._go.set()

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    async def query(self, query: Any, *, timeout_s: float = 2.0) -> Any:
        self.asked += 1
        await self._go.wait()
        if self.failures:
            raise self.failures.pop(0)
        return self.book

    def query_blocking(self, query: Any, *, timeout_s: float = 2.0) -> Any:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.book


async def eventually(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)
