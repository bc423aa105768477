"""The orders of one instrument that wait for their stop price.

Two queues: orders that a rising last trade sets off (buy stops, sell take-profits), lowest stop
price first, and those that a falling one sets off, highest first; at one price the older order
first. Trailing stops stand in them, too, and move as the price makes new extremes: two more queues
say which of them the next extreme moves, so that a trade that is none costs nothing.
"""

from typing import Final

from sortedcontainers import SortedList

from orderbook.core.order import Order, Special
from orderbook.core.units import MAX_PRICE_TICKS, OrderType, Side

_BUY: Final = Side.BUY
_TAKE_PROFIT: Final = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
_TRAILING: Final = OrderType.TRAILING_STOP


def rises_to(side: Side, type: OrderType) -> bool:
    """Whether a last trade at or above the stop price sets the order off, not at or below it."""
    return (side is _BUY) is not (type in _TAKE_PROFIT)


def sets_off(side: Side, type: OrderType, stop_ticks: int, last_ticks: int) -> bool:
    """Whether a last trade at this price sets off an order with this stop price."""
    return last_ticks >= stop_ticks if rises_to(side, type) else last_ticks <= stop_ticks


def trailing_stop_ticks(side: Side, best_ticks: int, trail_ticks: int) -> int:
    """Where a trailing stop is, or would be if prices went that far."""
    return best_ticks + trail_ticks if side is _BUY else best_ticks - trail_ticks


class WaitingOrders:
    __slots__ = (
        "_falling",
        "_orders",
        "_rising",
        "_trails_down",
        "_trails_up",
        "lent_places",
        "trailing",
    )

    def __init__(self) -> None:
        self._rising: SortedList = SortedList()
        """(stop_ticks, order_id)"""
        self._falling: SortedList = SortedList()
        """(-stop_ticks, order_id)"""
        self._trails_up: SortedList = SortedList()
        """(best_ticks, order_id) of sell stops, which follow a rising price"""
        self._trails_down: SortedList = SortedList()
        """(-best_ticks, order_id) of buy stops"""
        self._orders: dict[int, Order] = {}
        self.trailing: dict[int, Order] = {}
        """Trailing stops by id, those of brackets that are yet to be armed included."""
        self.lent_places = 0
        """Of ``trailing``, those that are as if gone for a rehearsal."""

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, order: Order) -> bool:
        """Whether the order stands where its stop price says."""
        queue, key = self._place(order)
        return self._orders.get(order.order_id) is order and key in queue

    def add(self, order: Order) -> None:
        queue, key = self._place(order)
        queue.add(key)
        self._orders[order.order_id] = order
        if _special(order).type is _TRAILING:
            queue, key = self._trail(order)
            queue.add(key)
            self.trailing[order.order_id] = order

    def register(self, order: Order) -> None:
        """Counts a trailing stop that is yet to wait."""
        if _special(order).type is _TRAILING:
            self.trailing[order.order_id] = order

    def remove(self, order: Order) -> None:
        queue, key = self._place(order)
        queue.remove(key)
        del self._orders[order.order_id]
        if _special(order).type is _TRAILING:
            queue, key = self._trail(order)
            queue.remove(key)
            del self.trailing[order.order_id]

    def unregister(self, order: Order) -> None:
        """A trailing stop that was yet to wait never will."""
        self.trailing.pop(order.order_id, None)

    def pop_set_off(self, last_ticks: int) -> Order | None:
        """Takes out the next order that a last trade at this price sets off."""
        for queue, key in ((self._rising, last_ticks), (self._falling, -last_ticks)):
            if queue and queue[0][0] <= key:
                order = self._orders[queue[0][1]]
                self.remove(order)
                return order
        return None

    def follow(self, last_ticks: int) -> list[Order]:
        """Moves the trailing stops for which a last trade at this price is the best since entry."""
        moved: list[Order] = []
        for queue, key in ((self._trails_up, last_ticks), (self._trails_down, -last_ticks)):
            while queue and queue[0][0] < key:
                order = self._orders[queue[0][1]]
                self.remove(order)
                start_trailing(order, last_ticks)
                self.add(order)
                moved.append(order)
        return moved

    def _place(self, order: Order) -> tuple[SortedList, tuple[int, int]]:
        special = _special(order)
        if rises_to(order.side, special.type):
            return self._rising, (special.stop_ticks, order.order_id)
        return self._falling, (-special.stop_ticks, order.order_id)

    def _trail(self, order: Order) -> tuple[SortedList, tuple[int, int]]:
        best_ticks = _special(order).best_ticks
        if order.side is _BUY:
            return self._trails_down, (-best_ticks, order.order_id)
        return self._trails_up, (best_ticks, order.order_id)


def start_trailing(order: Order, best_ticks: int) -> None:
    """Sets a trailing stop, which stands nowhere, at its distance from the best price.

    The exit of a bracket may start where there is no such price; it is then at the last one.
    """
    special = _special(order)
    special.best_ticks = best_ticks
    stop_ticks = trailing_stop_ticks(order.side, best_ticks, special.options.trail_ticks)
    special.stop_ticks = min(max(stop_ticks, 1), MAX_PRICE_TICKS)


def _special(order: Order) -> Special:
    assert order.special is not None
    return order.special
