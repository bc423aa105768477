"""Immutable values of market data, in ticks, lots, minor units and nanoseconds.

What replicas, tables and pages hand to one another; no I/O and no formatting.
"""

from typing import NamedTuple

from orderbook.core.events import Trade
from orderbook.core.units import Side

NS_PER_SECOND = 10**9
MAX_VOLUME = 2**63 - 1
"""A volume stops here, at what a column of the database holds. Money that goes to and fro may come
to more in a day than there is of it."""
CANDLE_INTERVALS_S: dict[str, int] = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "1h": 3_600,
    "4h": 14_400,
    "1d": 86_400,
}
"""Name -> length. Every one divides a day, so candles begin at UTC midnight."""


class BookLevel(NamedTuple):
    price_ticks: int
    quantity_lots: int
    order_count: int


class TradePrint(NamedTuple):
    """A trade as the public sees it."""

    trade_id: int
    symbol: str
    price_ticks: int
    quantity_lots: int
    quote_minor: int
    taker_side: Side | None
    """None where the source of a feed does not say; a market of the venue always knows."""
    time_ns: int
    sequence: int

    @classmethod
    def of(cls, event: Trade, sequence: int, time_ns: int) -> "TradePrint":
        return cls(
            event.trade_id,
            event.symbol,
            event.price_ticks,
            event.quantity_lots,
            event.quote_minor,
            event.taker_side,
            time_ns,
            sequence,
        )


class CandleBar(NamedTuple):
    """Trades of one interval that begins at ``open_time_ns``; intervals without any have none."""

    open_time_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    quote_volume_minor: int
    trade_count: int
    sequence: int
    """Of the last trade in it."""

    @classmethod
    def first(cls, trade: TradePrint, interval_s: int) -> "CandleBar":
        price = trade.price_ticks
        return cls(
            open_time_ns(trade.time_ns, interval_s),
            price,
            price,
            price,
            price,
            trade.quantity_lots,
            trade.quote_minor,
            1,
            trade.sequence,
        )

    def with_trade(self, trade: TradePrint) -> "CandleBar":
        """This bar after one more, later trade."""
        return self.followed_by(
            CandleBar(
                self.open_time_ns,
                *(trade.price_ticks,) * 4,
                trade.quantity_lots,
                trade.quote_minor,
                1,
                trade.sequence,
            )
        )

    def followed_by(self, later: "CandleBar") -> "CandleBar":
        """This bar and a later part of the same interval in one."""
        return CandleBar(
            self.open_time_ns,
            self.open_ticks,
            max(self.high_ticks, later.high_ticks),
            min(self.low_ticks, later.low_ticks),
            later.close_ticks,
            min(MAX_VOLUME, self.volume_lots + later.volume_lots),
            min(MAX_VOLUME, self.quote_volume_minor + later.quote_volume_minor),
            self.trade_count + later.trade_count,
            later.sequence,
        )


class Ticker(NamedTuple):
    """The last 24 hours of a symbol, to the whole minute; all prices are None before any trade.

    ``last_ticks`` is the last trade ever; the others are None when the window has no trade.
    """

    symbol: str
    open_ticks: int | None
    high_ticks: int | None
    low_ticks: int | None
    last_ticks: int | None
    volume_lots: int
    quote_volume_minor: int
    trade_count: int

    @property
    def change_ticks(self) -> int | None:
        """Last price less the price of the window's first trade."""
        if self.open_ticks is None or self.last_ticks is None:
            return None
        return self.last_ticks - self.open_ticks

    @property
    def change_hundredths(self) -> int | None:
        """The change in hundredths of a percent, rounded half away from zero."""
        if self.change_ticks is None or not self.open_ticks:
            return None
        opened = abs(self.open_ticks)
        magnitude = (abs(self.change_ticks) * 20_000 + opened) // (2 * opened)
        return magnitude if self.change_ticks >= 0 else -magnitude


class MarketSession(NamedTuple):
    """What a phase says beyond its name: its end, and what its auction would do now."""

    until_ns: int = 0
    """When a volatility auction ends; 0 where nothing is fixed."""
    price_ticks: int = 0
    """Indicative price of the auction that collects; 0 where nothing would trade."""
    volume_lots: int = 0
    imbalance_lots: int = 0
    """At that price: buy quantity less sell quantity that could trade."""


class MarketView(NamedTuple):
    """One symbol at one moment. Bids and asks come best first, trades newest first.

    The book is crossed or locked where an auction has collected orders that would trade.
    """

    symbol: str
    sequence: int
    """Everything up to this journal sequence is in the view."""
    update_id: int
    time_ns: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    trades: tuple[TradePrint, ...]
    ticker: Ticker
    minute: CandleBar | None
    """The newest one-minute candle."""
    session: MarketSession = MarketSession()

    @property
    def best_bid(self) -> BookLevel | None:
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> BookLevel | None:
        return self.asks[0] if self.asks else None

    @property
    def spread_ticks(self) -> int | None:
        if not self.bids or not self.asks:
            return None
        return self.asks[0].price_ticks - self.bids[0].price_ticks


def open_time_ns(time_ns: int, interval_s: int) -> int:
    """Start of the interval, counted from the epoch, in which a moment lies."""
    return time_ns - time_ns % (interval_s * NS_PER_SECOND)
