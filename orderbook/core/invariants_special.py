"""Whether the orders that are not plain are sound: where they stand, what they show and hold back,
and that lists, stop prices, timers and the agenda agree with them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orderbook.core.book import Book, Level
from orderbook.core.errors import require
from orderbook.core.order import Order, OrderList, Special, Stage
from orderbook.core.timers import TimerKind
from orderbook.core.units import InstrumentStatus, OrderListKind, OrderType, Side
from orderbook.core.waiting import sets_off

if TYPE_CHECKING:
    from orderbook.core.venue import Venue


def check_special(venue: Venue) -> None:
    """Raises InvariantBroken for the first thing found wrong."""
    orders = [
        order
        for account in venue.registry.by_id.values()
        for order in account.orders.values()
        if order.special is not None
    ]
    for order in orders:
        _check_stage(venue, order, _special(order))
        _check_expiry(venue, order, _special(order))
    _check_waiting(venue, orders)
    _check_agenda(venue, orders)
    for book in venue.books.values():
        for side in (book.bids, book.asks):
            for level in side:
                _check_reserve(level)
    _check_lists(venue, orders)
    require(
        not venue.touched_lists and not venue.traded_books,
        "stages",
        "something follows from a command and was not done",
    )


def _check_stage(venue: Venue, order: Order, special: Special) -> None:
    name = f"order {order.order_id}"
    stage, waiting = special.stage, order.book.waiting
    stands = {
        Stage.TAKING: False,
        Stage.RESTING: order.level is not None,
        Stage.WAITING: waiting is not None and order in waiting,
        Stage.SET_OFF: order in venue.agenda,
        Stage.PENDING: special.order_list is not None,
    }[stage]
    require(stands, "stages", f"{name} does not stand where it should, {stage.value}")
    require(
        (order.level is not None) is (stage is Stage.RESTING),
        "stages",
        f"{name} rests although it is {stage.value}",
    )


def _check_expiry(venue: Venue, order: Order, special: Special) -> None:
    timer_ns = venue.timers.time_of(TimerKind.EXPIRY, order.order_id)
    require(
        not special.options.expire_time_ns
        or (
            venue.expiring.get(order.order_id) is order
            and timer_ns <= special.options.expire_time_ns
        ),
        "timers",
        f"order {order.order_id} would not expire",
    )


def _check_waiting(venue: Venue, orders: list[Order]) -> None:
    waiting: Counter[Book] = Counter()
    trailing: dict[Book, set[int]] = {book: set() for book in venue.books.values()}
    for order in orders:
        special = _special(order)
        if special.stage is Stage.WAITING:
            waiting[order.book] += 1
            _check_stop(order, special)
        if special.type is OrderType.TRAILING_STOP and special.stage in (
            Stage.WAITING,
            Stage.PENDING,
        ):
            trailing[order.book].add(order.order_id)
    for book in venue.books.values():
        name = book.instrument.symbol
        queue = book.waiting
        require(
            waiting[book] == (0 if queue is None else len(queue)),
            "stages",
            f"{name}: the waiting orders are not those of the accounts",
        )
        require(
            trailing[book] == (set() if queue is None else set(queue.trailing)),
            "stages",
            f"{name}: the trailing stops are not those of the accounts",
        )


def _check_stop(order: Order, special: Special) -> None:
    name, book = f"order {order.order_id}", order.book
    require(special.stop_ticks > 0, "stops", f"{name} waits for no price")
    if book.instrument.status is not InstrumentStatus.TRADING or not book.last_ticks:
        return
    require(
        not sets_off(order.side, special.type, special.stop_ticks, book.last_ticks),
        "stops",
        f"{name} waits although the last trade sets it off",
    )
    if special.type is OrderType.TRAILING_STOP:
        best_ticks, last_ticks = special.best_ticks, book.last_ticks
        require(
            best_ticks <= last_ticks if order.side is Side.BUY else best_ticks >= last_ticks,
            "stops",
            f"{name} did not follow the last trade",
        )


def _check_agenda(venue: Venue, orders: list[Order]) -> None:
    items = list(venue.agenda)
    set_off = sum(_special(order).stage is Stage.SET_OFF for order in orders)
    require(
        set_off == sum(isinstance(item, Order) for item in items)
        and len(set(map(id, items))) == len(items),
        "stages",
        "the agenda does not have each order that was set off once",
    )


def _check_reserve(level: Level) -> None:
    reserve_lots = 0
    for order in level:
        special = order.special
        if special is None or not special.reserve_lots:
            continue
        reserve_lots += special.reserve_lots
        require(
            special.reserve_lots > 0 and order.remaining_lots <= special.options.display_lots,
            "levels",
            f"iceberg {order.order_id} shows too much",
        )
    require(
        reserve_lots == level.reserve_lots,
        "levels",
        f"at {level.price_ticks}: {level.reserve_lots} lots in reserve recorded, "
        f"{reserve_lots} found",
    )


def _check_lists(venue: Venue, orders: list[Order]) -> None:
    for order in orders:
        special = _special(order)
        order_list = special.order_list
        if order_list is None:
            require(
                not special.covered_minor,
                "lists",
                f"order {order.order_id} is covered by none",
            )
            continue
        require(
            sum(other is order for other in order_list.orders) == 1,
            "lists",
            f"order {order.order_id} is not on its list",
        )
        if order is order_list.orders[0]:
            _check_list(venue, order_list)


def _check_list(venue: Venue, order_list: OrderList) -> None:
    name, orders = f"list {order_list.list_id}", order_list.orders
    require(
        len({order.account for order in orders}) == len({order.book for order in orders}) == 1,
        "lists",
        f"{name} is of several accounts or symbols",
    )
    if order_list.list_kind is OrderListKind.BRACKET:
        exits = orders if order_list.entry() is None else orders[1:]
        require(
            len(exits) == 2 and all(_special(order).stage is Stage.PENDING for order in exits),
            "lists",
            f"{name}: its exits do not wait for its entry",
        )
        require(
            (order_list.entry() is None) is (order_list in venue.agenda),
            "lists",
            f"{name}: its entry is done and its exits are not to be armed",
        )
        return
    require(len(orders) == 2, "lists", f"{name}: an OCO of {len(orders)} orders")
    first, second = orders
    if _special(first).covered_minor:
        first, second = second, first
    require(
        not _special(first).covered_minor
        and _special(second).covered_minor in (0, first.held_minor())
        and Stage.PENDING not in (_special(first).stage, _special(second).stage),
        "lists",
        f"{name}: one hold does not serve both orders",
    )


def _special(order: Order) -> Special:
    assert order.special is not None
    return order.special
