"""Where an order stands, or would have stood, among those that trade before it."""

from typing import NamedTuple

from orderbook.core.book import Book
from orderbook.core.order import Order
from orderbook.core.units import Side
from orderbook.explanation.amounts import Amounts
from orderbook.explanation.steps import Facts


class Ahead(NamedTuple):
    """Lots count what shows and what icebergs hide."""

    better_orders: int
    better_lots: int
    same_orders: int
    """At its own price."""
    same_lots: int

    def facts(self, text: Amounts) -> Facts:
        return {
            "orders_at_better_prices": self.better_orders,
            **text.quantity_facts("quantity_at_better_prices", self.better_lots),
            "orders_at_its_price": self.same_orders,
            **text.quantity_facts("quantity_at_its_price", self.same_lots),
        }

    @property
    def orders(self) -> int:
        return self.better_orders + self.same_orders

    @property
    def lots(self) -> int:
        return self.better_lots + self.same_lots


def ahead_of_price(book: Book, side: Side, price_ticks: int) -> Ahead:
    """Of a new order at this price: everything at better prices and at its own."""
    book_side = book.bids if side is Side.BUY else book.asks
    key = price_ticks * book_side.sign
    counts = [0, 0, 0, 0]
    for level in book_side:
        if level.key > key:
            break
        place = 0 if level.key < key else 2
        counts[place] += level.order_count
        counts[place + 1] += level.quantity_lots + level.reserve_lots
    return Ahead(*counts)


def ahead_of_order(book: Book, order: Order) -> Ahead:
    """Of a resting order. At its price, what is older and shows: an iceberg's next part goes to
    the back."""
    level = order.level
    assert level is not None
    better = ahead_of_price(book, order.side, order.price_ticks)
    same_orders = same_lots = 0
    for older in level:
        if older is order:
            break
        same_orders += 1
        same_lots += older.remaining_lots
    return Ahead(better.better_orders, better.better_lots, same_orders, same_lots)


def tradable_at_once(book: Book, side: Side, limit_ticks: int) -> tuple[int, int]:
    """(orders, lots) on the other side that an order with this limit (0: none) could trade with."""
    other = book.asks if side is Side.BUY else book.bids
    orders = lots = 0
    for level in other:
        beyond = level.key > limit_ticks * other.sign
        if limit_ticks and beyond:
            break
        orders += level.order_count
        lots += level.quantity_lots + level.reserve_lots
    return orders, lots
