"""How the numbers of a feed's book are written: prices in 1e-9, sizes as they are."""

from functools import lru_cache
from typing import Any

from market.formatting import Formatter, time_text
from market.values import BookLevel, MarketView, Ticker, TradePrint
from orderbook.gateway.decimals import minor_to_text

PRICE_PLACES = 9


class FeedFormatter(Formatter):
    """Prices have as many places as they need, and at least ``places``."""

    def __init__(self, symbol: str, places: int = 0) -> None:
        self.symbol = symbol
        self.places = places

    def price(self, price_ticks: int) -> str:
        whole, _, fraction = minor_to_text(price_ticks, PRICE_PLACES).partition(".")
        fraction = fraction.rstrip("0").ljust(self.places, "0")
        return f"{whole}.{fraction}" if fraction else whole

    def quantity(self, quantity_lots: int) -> str:
        return str(quantity_lots)

    def money(self, quote_minor: int) -> str:
        """A feed does not say what a price times a size is worth."""
        return ""

    def steps(self, price_ticks: int) -> str:
        return ""

    def trade(self, trade: TradePrint) -> dict[str, Any]:
        return {
            "id": trade.trade_id,
            "price": self.price(trade.price_ticks),
            "quantity": self.quantity(trade.quantity_lots),
            "taker_side": trade.taker_side.value if trade.taker_side else None,
            "time": time_text(trade.time_ns),
            "sequence": trade.sequence,
        }

    def ticker(self, ticker: Ticker) -> dict[str, Any]:
        resource = super().ticker(ticker)
        del resource["quote_volume"]
        return resource


@lru_cache(1_000)
def feed_formatter(symbol: str, places: int = 0) -> FeedFormatter:
    return FeedFormatter(symbol, places)


def aligned(view: MarketView, symbol: str) -> FeedFormatter:
    """For a page: all prices of the view with the same number of places."""
    levels: tuple[BookLevel, ...] = view.bids + view.asks
    prices = [level.price_ticks for level in levels] + [trade.price_ticks for trade in view.trades]
    return feed_formatter(symbol, max((places_of(price) for price in prices), default=0))


def places_of(price: int) -> int:
    """Decimal places that the price needs."""
    places = PRICE_PLACES
    while places and not price % 10:
        price //= 10
        places -= 1
    return places
