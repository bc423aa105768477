"""PyPI pyorderbook: a book without accounts, balances, fees or events; prices are Decimal.

It has no immediate-or-cancel orders: the adapter cancels what is left of a marketable one. Its
orders, with their random ids and decimal prices, are made beforehand and so are not in its time.
"""

from collections.abc import Iterator
from typing import Any

from pyorderbook import Book, ask, bid

DISTRIBUTION = "pyorderbook"
SYMBOL = "BTC-USDT"


def build() -> str:
    return "plain"


def prepare(operations: list[tuple[Any, ...]]) -> tuple[Any, list[Any]]:
    orders: dict[int, Any] = {}
    steps = []
    for order_id, _, is_buy, price_ticks, lots, is_marketable in operations:
        if lots:
            orders[order_id] = (bid if is_buy else ask)(SYMBOL, price_ticks, lots)
        steps.append((orders[order_id], lots, is_marketable))
    return Book(), steps


def run(prepared: tuple[Any, list[Any]]) -> None:
    book, steps = prepared
    match, cancel = book.match, book.cancel
    for order, lots, is_marketable in steps:
        if not lots:
            cancel(order)
            continue
        match(order)
        if is_marketable and order.quantity:
            cancel(order)


def fills(prepared: tuple[Any, list[Any]]) -> Iterator[tuple[int, int]]:
    book, steps = prepared
    for order, lots, is_marketable in steps:
        if not lots:
            book.cancel(order)
            continue
        for trade in book.match(order).trades:
            yield int(trade.fill_price), trade.fill_quantity
        if is_marketable and order.quantity:
            book.cancel(order)
