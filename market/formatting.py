"""A book's numbers as decimal strings, fast enough for whole books.

A ``Formatter`` knows how the prices and quantities of one book are written, and is all that pages,
the API and the stream need to know of where a book comes from. That of an instrument takes its
steps from ``orderbook.gateway.decimals`` and keeps them as integers, so that a level costs two
string operations instead of two decimal divisions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from market.values import (
    NS_PER_SECOND,
    BookLevel,
    CandleBar,
    MarketSession,
    Ticker,
    TradePrint,
)
from orderbook.core.events import InstrumentDefined
from orderbook.gateway.decimals import lot_size, minor_to_text, places, tick_size

KEPT_FORMATS = 1_000
FEE_PLACES = 6
"""Parts per million, written as a decimal fraction."""


class Formatter(ABC):
    """How one book's integers are written, and the public resources that are made of them."""

    symbol: str

    @abstractmethod
    def price(self, price_ticks: int) -> str: ...

    @abstractmethod
    def quantity(self, quantity_lots: int) -> str: ...

    @abstractmethod
    def money(self, quote_minor: int) -> str: ...

    @abstractmethod
    def steps(self, price_ticks: int) -> str:
        """A difference of prices counted in steps; empty where a book has no fixed step."""

    def price_or_none(self, price_ticks: int | None) -> str | None:
        return None if price_ticks is None else self.price(price_ticks)

    def level(self, level: BookLevel) -> list[Any]:
        return [
            self.price(level.price_ticks),
            self.quantity(level.quantity_lots),
            level.order_count,
        ]

    def trade(self, trade: TradePrint) -> dict[str, Any]:
        return {
            "id": trade.trade_id,
            "price": self.price(trade.price_ticks),
            "quantity": self.quantity(trade.quantity_lots),
            "quote_quantity": self.money(trade.quote_minor),
            "taker_side": trade.taker_side.value if trade.taker_side else None,
            "time": time_text(trade.time_ns),
            "sequence": trade.sequence,
        }

    def candle(self, bar: CandleBar) -> dict[str, Any]:
        return {
            "time": time_text(bar.open_time_ns),
            "open": self.price(bar.open_ticks),
            "high": self.price(bar.high_ticks),
            "low": self.price(bar.low_ticks),
            "close": self.price(bar.close_ticks),
            "volume": self.quantity(bar.volume_lots),
            "quote_volume": self.money(bar.quote_volume_minor),
            "trade_count": bar.trade_count,
        }

    def ticker(self, ticker: Ticker) -> dict[str, Any]:
        change = ticker.change_ticks
        percent = ticker.change_hundredths
        return {
            "symbol": ticker.symbol,
            "last": self.price_or_none(ticker.last_ticks),
            "open": self.price_or_none(ticker.open_ticks),
            "high": self.price_or_none(ticker.high_ticks),
            "low": self.price_or_none(ticker.low_ticks),
            "change": self.price_or_none(change),
            "change_percent": None if percent is None else minor_to_text(percent, 2),
            "volume": self.quantity(ticker.volume_lots),
            "quote_volume": self.money(ticker.quote_volume_minor),
            "trade_count": ticker.trade_count,
        }


class InstrumentFormatter(Formatter):
    """Of a market of the venue."""

    def __init__(self, instrument: InstrumentDefined) -> None:
        tick, lot = tick_size(instrument), lot_size(instrument)
        self.symbol = instrument.symbol
        self.price_places = places(tick)
        self.quantity_places = places(lot)
        self._quote_decimals = instrument.quote_decimals
        self._tick = int(tick.scaleb(self.price_places))
        self._lot = int(lot.scaleb(self.quantity_places))

    def price(self, price_ticks: int) -> str:
        return minor_to_text(price_ticks * self._tick, self.price_places)

    def quantity(self, quantity_lots: int) -> str:
        return minor_to_text(quantity_lots * self._lot, self.quantity_places)

    def money(self, quote_minor: int) -> str:
        return minor_to_text(quote_minor, self._quote_decimals)

    def steps(self, price_ticks: int) -> str:
        return f"{price_ticks:,}"


@lru_cache(KEPT_FORMATS)
def formatter(instrument: InstrumentDefined) -> InstrumentFormatter:
    return InstrumentFormatter(instrument)


def market_resource(instrument: InstrumentDefined) -> dict[str, Any]:
    """An instrument as the API shows it."""
    text = formatter(instrument)
    return {
        "symbol": instrument.symbol,
        "base": instrument.base,
        "quote": instrument.quote,
        "status": instrument.status.value,
        "tick_size": text.price(1),
        "lot_size": text.quantity(1),
        "min_notional": text.money(instrument.min_notional_minor),
        "max_quantity": text.quantity(instrument.max_quantity_lots),
        "max_notional": _or_none(instrument.max_notional_minor, text.money),
        "maker_fee": _fraction(instrument.maker_fee_ppm),
        "taker_fee": _fraction(instrument.taker_fee_ppm),
        "static_band": _or_none(instrument.static_band_ppm, _fraction),
        "dynamic_band": _or_none(instrument.dynamic_band_ppm, _fraction),
        "volatility_pause_ms": instrument.pause_ns // 1_000_000 or None,
    }


def session_resource(instrument: InstrumentDefined, session: MarketSession) -> dict[str, Any]:
    """An instrument's phase and what its auction would do, as the API and the stream show it."""
    text = formatter(instrument)
    has_price = session.price_ticks > 0
    return {
        "symbol": instrument.symbol,
        "phase": instrument.status.value,
        "until": time_text(session.until_ns) if session.until_ns else None,
        "price": text.price(session.price_ticks) if has_price else None,
        "volume": text.quantity(session.volume_lots),
        "imbalance": text.quantity(session.imbalance_lots),
    }


def _or_none(number: int, text: Callable[[int], str]) -> str | None:
    return text(number) if number else None


def _fraction(ppm: int) -> str:
    return minor_to_text(ppm, FEE_PLACES)


def time_text(time_ns: int) -> str:
    """UTC to the microsecond in ISO 8601; nanoseconds beyond it are cut."""
    seconds, rest_ns = divmod(time_ns, NS_PER_SECOND)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def clock_text(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%H:%M:%S")


def date_text(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
