"""PyPI lightmatchingengine: a book without accounts, balances, fees, checks or events.

It has no immediate-or-cancel orders: the adapter cancels what is left of a marketable one. It
numbers orders as they come, as our engine does, so that cancels can name them beforehand.
"""

from collections.abc import Iterator
from typing import Any

from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side

DISTRIBUTION = "lightmatchingengine"
SYMBOL = "BTC-USDT"


def build() -> str:
    return "plain"


def prepare(operations: list[tuple[Any, ...]]) -> tuple[Any, list[Any]]:
    return LightMatchingEngine(), [
        (order_id, price_ticks, lots, Side.BUY if is_buy else Side.SELL, is_marketable)
        for order_id, _, is_buy, price_ticks, lots, is_marketable in operations
    ]


def run(prepared: tuple[Any, list[Any]]) -> None:
    engine, steps = prepared
    add_order, cancel_order = engine.add_order, engine.cancel_order
    for order_id, price_ticks, lots, side, is_marketable in steps:
        if not lots:
            cancel_order(order_id, SYMBOL)
            continue
        order, _ = add_order(SYMBOL, price_ticks, lots, side)
        if is_marketable and order.leaves_qty:
            cancel_order(order.order_id, SYMBOL)


def fills(prepared: tuple[Any, list[Any]]) -> Iterator[tuple[int, int]]:
    """It reports a trade for each resting order, and one a price level for the incoming order."""
    engine, steps = prepared
    for order_id, price_ticks, lots, side, is_marketable in steps:
        if not lots:
            engine.cancel_order(order_id, SYMBOL)
            continue
        order, trades = engine.add_order(SYMBOL, price_ticks, lots, side)
        for trade in trades:
            if trade.order_id != order.order_id:
                yield trade.trade_price, trade.trade_qty
        if is_marketable and order.leaves_qty:
            engine.cancel_order(order.order_id, SYMBOL)
