"""The orders that are open, as events tell: where each stands, and which depend on one another.

An order that is set off goes to its book in its turn, which no event tells by itself: it is there
as soon as something happens to it or to one that was set off after it, at the latest when the step
of the command is over.
"""

from typing import Any, NamedTuple

from orderbook.core.events import (
    IcebergRefreshed,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderListAccepted,
    OrderTriggered,
    SelfTradePrevented,
    StopMoved,
    Trade,
)
from orderbook.core.units import OrderListKind, OrderType, Side
from tests.simulation.errors import require

_ON_THE_BOOK = (OrderType.LIMIT, OrderType.MARKET)
_AT_WORSE = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


class OpenOrder(NamedTuple):
    place: int
    """In the queue of its price."""
    accepted: OrderAccepted
    price_ticks: int
    remaining_lots: int
    stop_ticks: int
    stands: bool
    """False while a stop or an exit of a bracket waits."""
    is_armed: bool
    """False while an exit of a bracket waits for its entry, or an order that was set off for its
    turn."""

    def is_set_off_by(self, last_ticks: int) -> bool:
        rises = (self.accepted.side is Side.BUY) == (self.accepted.type in _AT_WORSE)
        if not last_ticks:
            return False
        return last_ticks >= self.stop_ticks if rises else last_ticks <= self.stop_ticks

    def has_ended(self, time_ns: int) -> bool:
        options = self.accepted.options
        return options is not None and 0 < options.expire_time_ns <= time_ns


class _List:
    """The two orders of which one cancels the other."""

    def __init__(self, event: OrderListAccepted) -> None:
        is_bracket = event.list_kind is OrderListKind.BRACKET
        self.entry_id = event.order_ids[0] if is_bracket else 0
        self.legs = event.order_ids[1:] if is_bracket else event.order_ids
        self.entry_lots = 0
        """What the entry of a bracket filled."""
        self.most_lots = 0
        """What both legs together may fill."""
        self.filled_lots = 0


class OpenOrders:
    def __init__(self) -> None:
        self.by_id: dict[int, OpenOrder] = {}
        self._set_off: list[int] = []
        """In the order in which they go to their books."""
        self._lists: dict[int, _List] = {}
        self._filled_lists: set[int] = set()
        """Lists of which an order was filled by the running command."""
        self._place = 0

    # -- what happens to an order -------------------------------------------------------------

    def accept_list(self, event: OrderListAccepted, where: str) -> None:
        self._lists[event.list_id] = _List(event)

    def accept(self, event: OrderAccepted) -> None:
        self._place += 1
        list_ = self._lists.get(event.list_id)
        is_exit = list_ is not None and list_.entry_id not in (0, event.order_id)
        if list_ is not None and not list_.entry_id:
            list_.most_lots = event.quantity_lots
        self.by_id[event.order_id] = OpenOrder(
            self._place,
            event,
            event.price_ticks,
            event.quantity_lots,
            event.options.stop_ticks if event.options else 0,
            event.type in _ON_THE_BOOK and not is_exit,
            not is_exit,
        )

    def arm(self, event: OrderArmed, where: str) -> None:
        order = self.by_id[event.order_id]
        if event.order_id in self._set_off:  # an auction began before its turn: it waits again
            self._enter_up_to(event.order_id)
            self._move(event.order_id, stands=False)
            return
        list_ = self._lists[order.accepted.list_id]
        list_.most_lots = event.quantity_lots
        require(
            event.quantity_lots <= list_.entry_lots,
            "rules",
            f"{where}: {event} is for more than its entry filled, {list_.entry_lots} lots",
        )
        stands = order.accepted.type in _ON_THE_BOOK
        self._move(event.order_id, remaining_lots=event.quantity_lots, stands=stands, is_armed=True)

    def trigger(self, event: OrderTriggered) -> None:
        self.by_id[event.order_id] = self.by_id[event.order_id]._replace(is_armed=False)
        self._set_off.append(event.order_id)

    def move_stop(self, event: StopMoved, where: str) -> None:
        order = self.by_id[event.order_id]
        self.by_id[event.order_id] = order._replace(stop_ticks=event.stop_ticks)

    def refresh(self, event: IcebergRefreshed, where: str) -> None:
        self._move(event.order_id)

    def amend(self, event: OrderAmended) -> None:
        self._enter_up_to(event.order_id)
        changes: dict[str, Any] = {
            "price_ticks": event.price_ticks,
            "remaining_lots": event.remaining_lots,
            "stop_ticks": event.stop_ticks,
        }
        order = self.by_id[event.order_id]
        list_ = self._lists.get(order.accepted.list_id)
        if list_ is not None and list_.most_lots and event.order_id != list_.entry_id:
            list_.most_lots = max(list_.most_lots, event.quantity_lots)
        if event.kept_priority:
            self.by_id[event.order_id] = order._replace(**changes)
        else:
            self._move(event.order_id, **changes)

    def prevent(self, event: SelfTradePrevented, where: str) -> None:
        for order_id in (event.taker_order_id, event.maker_order_id):
            self._enter_up_to(order_id)
            order = self.by_id[order_id]
            left = order.remaining_lots - event.decremented_lots
            self.by_id[order_id] = order._replace(remaining_lots=left)

    def end(self, order_id: int) -> OpenOrder | None:
        self._enter_up_to(order_id)
        return self.by_id.pop(order_id, None)

    def parties(self, event: Trade) -> tuple[OpenOrder | None, OpenOrder | None]:
        """(taker, maker)"""
        order_ids = (event.taker_order_id, event.maker_order_id)
        for order_id in order_ids:
            self._enter_up_to(order_id)
        return self.by_id.get(order_ids[0]), self.by_id.get(order_ids[1])

    def fill(self, order: OpenOrder, lots: int, where: str) -> None:
        order_id, left = order.accepted.order_id, order.remaining_lots - lots
        require(left >= 0, "I7", f"{where}: order {order_id} is filled beyond its quantity")
        if left:
            self.by_id[order_id] = order._replace(remaining_lots=left)
        else:
            del self.by_id[order_id]
        list_ = self._lists.get(order.accepted.list_id)
        if list_ is None:
            return
        if order_id == list_.entry_id:
            list_.entry_lots += lots
            return
        list_.filled_lots += lots
        self._filled_lists.add(order.accepted.list_id)
        require(
            list_.filled_lots <= list_.most_lots,
            "rules",
            f"{where}: orders {list_.legs}, of which one cancels the other, fill "
            f"{list_.filled_lots} lots, and are for {list_.most_lots}",
        )

    # -- where they stand ---------------------------------------------------------------------

    def first_of(self, symbol: str, side: Side) -> OpenOrder:
        """The order of a side that has to trade first."""
        sign = -1 if side is Side.BUY else 1
        return min(
            (
                order
                for order in self.by_id.values()
                if order.stands and order.accepted.symbol == symbol and order.accepted.side is side
            ),
            key=lambda order: (sign * order.price_ticks, order.place),
        )

    def enter_all(self) -> None:
        """Every order that was set off is in its book by now."""
        if self._set_off:
            self._enter_up_to(self._set_off[-1])

    def _enter_up_to(self, order_id: int) -> None:
        if order_id not in self._set_off:
            return
        count = self._set_off.index(order_id) + 1
        entered, self._set_off = self._set_off[:count], self._set_off[count:]
        for one in entered:
            if one in self.by_id:
                self._move(one, stands=True, is_armed=True)

    def _move(self, order_id: int, **changes: Any) -> None:
        """To the back of its price's queue."""
        self._place += 1
        self.by_id[order_id] = self.by_id[order_id]._replace(place=self._place, **changes)

    def check_lists(self, where: str) -> None:
        """After each command: of two orders of which one traded, the other is gone."""
        for list_id in sorted(self._filled_lists):
            left = [one for one in self._lists[list_id].legs if one in self.by_id]
            require(len(left) < 2, "rules", f"{where}: one of {left} traded, both are open")
        self._filled_lists.clear()
