"""The orders of one instrument that wait for their stop price.

Two queues: orders that a rising last trade sets off (buy stops, sell take-profits), lowest stop
price first, and those that a falling one sets off, highest first; at one price the older order
first. Trailing stops stand in them, too, and move as the price makes new extremes.
"""

from sortedcontainers import SortedList

from orderbook.core.order import Order, Special
from orderbook.core.units import OrderType, Side

_TAKE_PROFIT = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)


def rises_to(side: Side, type: OrderType) -> bool:
    """Whether a last trade at or above the stop price sets the order off, not at or below it."""
    return (side is Side.BUY) is not (type in _TAKE_PROFIT)


class WaitingOrders:
    __slots__ = ("_falling", "_orders", "_rising", "trailing")

    def __init__(self) -> None:
        self._rising: SortedList = SortedList()
        """(stop_ticks, order_id)"""
        self._falling: SortedList = SortedList()
        """(-stop_ticks, order_id)"""
        self._orders: dict[int, Order] = {}
        self.trailing: dict[int, Order] = {}
        """Trailing stops by id, those of brackets that are yet to be armed included."""

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, order: Order) -> None:
        special = _special(order)
        queue, key = self._place(order, special)
        queue.add(key)
        self._orders[order.order_id] = order
        self.register(order)

    def register(self, order: Order) -> None:
        """Counts a trailing stop that is yet to wait."""
        if _special(order).type is OrderType.TRAILING_STOP:
            self.trailing[order.order_id] = order

    def remove(self, order: Order) -> None:
        queue, key = self._place(order, _special(order))
        queue.remove(key)
        del self._orders[order.order_id]
        self.unregister(order)

    def unregister(self, order: Order) -> None:
        self.trailing.pop(order.order_id, None)

    def pop_set_off(self, last_ticks: int) -> Order | None:
        """Takes out the next order that a last trade at this price sets off."""
        for queue, key in ((self._rising, last_ticks), (self._falling, -last_ticks)):
            if queue and queue[0][0] <= key:
                order = self._orders[queue[0][1]]
                self.remove(order)
                return order
        return None

    def _place(self, order: Order, special: Special) -> tuple[SortedList, tuple[int, int]]:
        if rises_to(order.side, special.type):
            return self._rising, (special.stop_ticks, order.order_id)
        return self._falling, (-special.stop_ticks, order.order_id)


def _special(order: Order) -> Special:
    assert order.special is not None
    return order.special
