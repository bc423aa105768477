"""What an order could trade with as the book stands, without touching it."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.book import Book, BookSide, Level
from orderbook.core.units import MAX_FILLS, SelfTradePrevention, Side

_BUY: Final = Side.BUY  # reading an enumeration's member costs ten times as much as a constant


def _other(book: Book, side: Side, limit_ticks: int) -> tuple[BookSide, int]:
    """The side that an order trades with, and the last key that its limit allows."""
    return (book.asks, limit_ticks) if side is _BUY else (book.bids, -limit_ticks)


def meets(book: Book, side: Side, limit_ticks: int) -> int | None:
    """The first price at which an order with this limit would trade; None where it would not."""
    other, limit_key = _other(book, side, limit_ticks)
    best = other.best
    return best.price_ticks if best is not None and best.key <= limit_key else None


def walk(
    book: Book, side: Side, limit_ticks: int, quantity_lots: int, passed_over: Account | None = None
) -> tuple[int, int]:
    """(lots that an order could fill now, price ticks x lots that they would come to).

    ``passed_over``: the account whose orders do not count, because they would be canceled.
    """
    other, limit_key = _other(book, side, limit_ticks)
    fillable_lots = 0
    cost_tick_lots = 0
    for level in other:
        if level.key > limit_key or fillable_lots == quantity_lots:
            break
        wanted_lots = quantity_lots - fillable_lots
        if passed_over is None:
            lots = min(level.quantity_lots + level.reserve_lots, wanted_lots)
        else:
            lots = _lots_of_others(level, passed_over, wanted_lots)
        fillable_lots += lots
        cost_tick_lots += lots * level.price_ticks
    return fillable_lots, cost_tick_lots


def passed_over(account: Account, rule: SelfTradePrevention) -> Account | None:
    """Whose orders a taker goes past: its own, where its rule cancels them."""
    return account if rule is SelfTradePrevention.CANCEL_OLDEST else None


def _lots_of_others(level: Level, account: Account, wanted_lots: int) -> int:
    """What everybody else has at a level, counted no further than ``wanted_lots``.

    Goes from order to order and not over all that the account has: whoever has many elsewhere
    must not make each of its orders dear to judge.
    """
    lots = 0
    order = level.first
    while order is not None and lots < wanted_lots:
        if order.account is not account:
            lots += order.open_lots()
        order = order.following
    return min(lots, wanted_lots)


def fills_whole(
    book: Book,
    side: Side,
    limit_ticks: int,
    quantity_lots: int,
    account: Account,
    rule: SelfTradePrevention,
    most_fills: int = MAX_FILLS,
) -> bool:
    """Whether the order would be filled to the end, in at most MAX_FILLS trades.

    Goes order by order, as matching would, and no further than it could. ``most_fills``: how many
    trades the running command has left.
    """
    other, limit_key = _other(book, side, limit_ticks)
    most_fills = min(most_fills, MAX_FILLS)
    fills = 0
    for level in other:
        if level.key > limit_key or fills >= most_fills:
            return False
        plain = not level.reserve_lots and rule is SelfTradePrevention.NONE
        if plain and level.quantity_lots < quantity_lots:
            quantity_lots -= level.quantity_lots
            fills += level.order_count
            continue
        for lots in _fills(level, account, rule):
            if not lots or fills >= most_fills:
                return False
            quantity_lots -= lots
            fills += 1
            if quantity_lots <= 0:
                return True
    return False


def _fills(level: Level, account: Account, rule: SelfTradePrevention) -> Iterator[int]:
    """The lots of each trade that a large order of the account would make at this level, in turn.

    Own orders are passed over where the rule cancels them, and stop the order (0) where it does
    not; each part of an iceberg is a trade of its own.
    """
    hidden: deque[tuple[int, int]] = deque()
    for order in level:
        if order.account is account and rule is not SelfTradePrevention.NONE:
            if rule is not SelfTradePrevention.CANCEL_OLDEST:
                yield 0
            continue
        yield order.remaining_lots
        special = order.special
        if special is not None and special.reserve_lots:
            hidden.append((special.reserve_lots, special.options.display_lots))
    while hidden:
        reserve_lots, display_lots = hidden.popleft()
        yield min(reserve_lots, display_lots)
        if reserve_lots > display_lots:
            hidden.append((reserve_lots - display_lots, display_lots))


def lots_for_quote(
    book: Book, side: Side, limit_ticks: int, quote_minor: int, passed_over: Account | None
) -> int:
    """The most lots that trade now for at most so much of the quote asset.

    ``passed_over``: as in ``walk``. Where own orders stop the taker or make it smaller, it spends
    less than what this comes to.
    """
    other, limit_key = _other(book, side, limit_ticks)
    tick_lot_minor = book.instrument.tick_lot_minor
    bought_lots = 0
    for level in other:
        if level.key > limit_key:
            break
        lot_price_minor = level.price_ticks * tick_lot_minor
        affordable_lots = quote_minor // lot_price_minor
        if passed_over is None:
            level_lots = level.quantity_lots + level.reserve_lots
        else:
            level_lots = _lots_of_others(level, passed_over, affordable_lots + 1)
        lots = min(level_lots, affordable_lots)
        bought_lots += lots
        quote_minor -= lots * lot_price_minor
        if lots < level_lots:
            break
    return bought_lots
