"""What an order comes to and what it needs, as the engine's rules reckon it."""

from typing import NamedTuple

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.liquidity import lots_for_quote, passed_over, walk
from orderbook.core.matching import market_limit_ticks
from orderbook.core.risk_special import first_stop_ticks
from orderbook.core.special import passive_price_ticks, reprices
from orderbook.core.terms import NO_OPTIONS
from orderbook.core.units import OrderType, Side


class Cost(NamedTuple):
    notional_minor: int
    """In quote."""
    needed_minor: int
    """Of what the order pays with: quote for a buy, base for a sell."""


def cost_of(book: Book, account: Account, command: PlaceOrder) -> Cost:
    """As the book is. Of a market order: what the resting orders that it meets ask for."""
    if command.type is OrderType.MARKET:
        return _market_cost(book, account, command)
    lots = command.quantity_lots
    notional_minor = _judged_ticks(book, command) * lots * book.tick_lot_minor
    if command.side is Side.SELL:
        return Cost(notional_minor, lots * book.lot_minor)
    return Cost(notional_minor, notional_minor if command.price_ticks else 0)


def _market_cost(book: Book, account: Account, command: PlaceOrder) -> Cost:
    options, side = command.options or NO_OPTIONS, command.side
    limit_ticks = command.price_ticks or market_limit_ticks(side)
    gone = passed_over(account, options.self_trade or account.self_trade)
    lots = command.quantity_lots
    if options.quote_minor:
        lots = lots_for_quote(book, side, limit_ticks, options.quote_minor, gone)
        lots = min(lots, book.max_quantity_lots)
    _, cost_tick_lots = walk(book, side, limit_ticks, lots, gone)
    notional_minor = cost_tick_lots * book.tick_lot_minor
    return Cost(notional_minor, notional_minor if side is Side.BUY else lots * book.lot_minor)


def _judged_ticks(book: Book, command: PlaceOrder) -> int:
    """The price that the notional is worked out with."""
    price_ticks = command.price_ticks
    if command.type is OrderType.LIMIT:
        if reprices(command, book):
            return passive_price_ticks(book, command.side, price_ticks)
        return price_ticks
    stop_ticks = (command.options or NO_OPTIONS).stop_ticks
    return price_ticks or stop_ticks or first_stop_ticks(command, book)
