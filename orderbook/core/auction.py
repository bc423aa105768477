"""Call auctions: the one price at which a book that collected orders would trade, and its result.

Nothing here changes a book. The price is the one that lets the most lots trade; of several,
the one that leaves the smallest imbalance; of several still, the one nearest to the reference
price, and the lower of two that are equally near. Icebergs count with all that they have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from orderbook.core.timers import TimerKind
from orderbook.core.units import (
    INDICATION_INTERVAL_NS,
    INDICATION_LEVEL_NS,
    InstrumentStatus,
    PhaseReason,
)

if TYPE_CHECKING:
    from orderbook.core.book import Book, BookSide
    from orderbook.core.venue import Venue


class Indication(NamedTuple):
    """What an uncross would do. Without a price (0) nothing would trade."""

    price_ticks: int
    volume_lots: int
    imbalance_lots: int
    """At that price: buy quantity less sell quantity that could trade."""


NOTHING: Final = Indication(0, 0, 0)


class Auction:
    """An auction that runs in a book: what it published last, and how far its uncross is."""

    __slots__ = ("indicated", "left_lots", "price_ticks", "then", "why")

    def __init__(self) -> None:
        self.indicated = NOTHING
        self.price_ticks = 0
        """Of the uncross; 0 while the auction collects."""
        self.left_lots = 0
        """Still to be traded at that price."""
        self.then = InstrumentStatus.TRADING
        """The phase after the uncross."""
        self.why = PhaseReason.OPERATOR
        """The reason for that phase."""


def book_changed(venue: Venue, book: Book) -> None:
    """Orders of an auction changed: what it would do is published a moment later.

    Not while it uncrosses, which ends what it collected.
    """
    symbol = book.instrument.symbol
    auction = book.auction
    if auction is None or auction.left_lots:
        return
    if not venue.timers.time_of(TimerKind.INDICATION, symbol):
        levels = book.bids.level_count() + book.asks.level_count()
        wait_ns = max(INDICATION_INTERVAL_NS, levels * INDICATION_LEVEL_NS)
        venue.timers.set(TimerKind.INDICATION, symbol, venue.time_ns + wait_ns)


def indicate(book: Book) -> Indication:
    """What an uncross would do now. Costs O(levels that overlap)."""
    best_bid, best_ask = book.bids.best, book.asks.best
    if best_bid is None or best_ask is None or best_bid.price_ticks < best_ask.price_ticks:
        return NOTHING
    bids = _lots_by_price(book.bids, -best_ask.price_ticks)
    asks = _lots_by_price(book.asks, best_bid.price_ticks)
    return best_price(bids, asks, book.reference_ticks or book.last_ticks)


def _lots_by_price(side: BookSide, last_key: int) -> dict[int, int]:
    lots: dict[int, int] = {}
    for level in side:
        if level.key > last_key:
            break
        lots[level.price_ticks] = level.quantity_lots + level.reserve_lots
    return lots


def best_price(bids: dict[int, int], asks: dict[int, int], reference_ticks: int) -> Indication:
    """The rule itself, over lots by price. ``reference_ticks``: 0 for none (the lowest price wins).

    Between two neighbouring prices of orders what could trade does not change, so each gap counts
    as one candidate, within which the price nearest to the reference is taken.
    """
    prices = sorted({*bids, *asks})
    demand_lots, supply_lots = sum(bids.values()), 0
    best = NOTHING
    for place, price_ticks in enumerate(prices):
        supply_lots += asks.get(price_ticks, 0)
        best = _better(best, price_ticks, demand_lots, supply_lots, reference_ticks)
        demand_lots -= bids.get(price_ticks, 0)
        if place + 1 < len(prices) and prices[place + 1] > price_ticks + 1:
            nearest_ticks = min(max(reference_ticks, price_ticks + 1), prices[place + 1] - 1)
            best = _better(best, nearest_ticks, demand_lots, supply_lots, reference_ticks)
    return best


def _better(
    best: Indication, price_ticks: int, demand_lots: int, supply_lots: int, reference_ticks: int
) -> Indication:
    """The better of two; ``price_ticks`` is above that of ``best``, which keeps an even draw."""
    volume_lots = min(demand_lots, supply_lots)
    imbalance_lots = demand_lots - supply_lots
    candidate = (-volume_lots, abs(imbalance_lots), abs(price_ticks - reference_ticks))
    known = (
        -best.volume_lots,
        abs(best.imbalance_lots),
        abs(best.price_ticks - reference_ticks),
    )
    if volume_lots == 0 or candidate >= known:
        return best
    return Indication(price_ticks, volume_lots, imbalance_lots)
