"""Whether a list of orders may be accepted: all of it or none.

The orders must fit together; then each must pass the rules on its own. An OCO needs what its more
expensive order needs, so it is enough that each of the two is covered. The exits of a bracket need
nothing yet, and the market may be anywhere by the time they are armed; they are checked for what
they ask, not against the book or the balance.
"""

from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.commands import PlaceOrder, PlaceOrderList
from orderbook.core.events import InstrumentDefined
from orderbook.core.rejects import RejectReason
from orderbook.core.risk import refuse_client_order_id, refuse_order
from orderbook.core.risk_special import refuse_form
from orderbook.core.terms import NO_OPTIONS
from orderbook.core.units import (
    MAX_NOTIONAL_MINOR,
    MAX_TRAILING_STOPS,
    OrderListKind,
    OrderType,
    Side,
    TimeInForce,
)
from orderbook.core.venue import Venue

_TAKE_PROFITS: Final = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
_STOPS: Final = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
_NOBODY: Final = PlaceOrder(0, "", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 0, 0)
"""Whom the refusal of an empty list is addressed to."""


def refuse_list(command: PlaceOrderList, venue: Venue) -> tuple[PlaceOrder, RejectReason] | None:
    """(the first order that is refused, why), or None."""
    orders = command.orders
    first = orders[0] if orders else _NOBODY
    if not _fits(command):
        return first, RejectReason.INVALID_LIST
    account = venue.registry.by_id.get(first.account_id)
    if account is not None and account.limits is not None:
        refused = account.limits.take(len(orders), len(orders), venue.time_ns)
        if refused is not None:
            return first, refused
    client_order_ids: set[str] = set()
    for place, order in enumerate(orders):
        book = venue.books.get(order.symbol)
        if place and command.list_kind is OrderListKind.BRACKET:
            assert book is not None
            assert account is not None
            refused = _refuse_exit(order, book.instrument, account, venue.time_ns)
        else:
            refused = refuse_order(order, book, account, venue)
        if refused is None and order.client_order_id in client_order_ids:
            refused = RejectReason.DUPLICATE_CLIENT_ORDER_ID
        if refused is not None:
            return order, refused
        if order.client_order_id:
            client_order_ids.add(order.client_order_id)
    assert account is not None
    refused = _refuse_all(orders, account, venue)
    return None if refused is None else (first, refused)


def _refuse_all(
    orders: tuple[PlaceOrder, ...], account: Account, venue: Venue
) -> RejectReason | None:
    """Limits that each order keeps, but not all of them together."""
    if len(account.orders) + len(orders) > account.max_open_orders:
        return RejectReason.TOO_MANY_OPEN_ORDERS
    trailing = sum(order.type is OrderType.TRAILING_STOP for order in orders)
    waiting = venue.books[orders[0].symbol].waiting
    if trailing and waiting is not None and len(waiting.trailing) + trailing > MAX_TRAILING_STOPS:
        return RejectReason.TOO_MANY_TRAILING_STOPS
    return None


def _refuse_exit(
    order: PlaceOrder, instrument: InstrumentDefined, account: Account, time_ns: int
) -> RejectReason | None:
    if order.client_order_id:
        refused = refuse_client_order_id(order.client_order_id, account)
        if refused is not None:
            return refused
    refused = refuse_form(order, instrument, time_ns)
    if refused is not None:
        return refused
    notional_minor = order.price_ticks * order.quantity_lots * instrument.tick_lot_minor
    if notional_minor > (instrument.max_notional_minor or MAX_NOTIONAL_MINOR):
        return RejectReason.NOTIONAL_TOO_LARGE
    return None


def _fits(command: PlaceOrderList) -> bool:
    """Whether the orders make up a list of their kind."""
    orders = command.orders
    if len(orders) != (2 if command.list_kind is OrderListKind.OCO else 3):
        return False
    first = orders[0]
    alike = all(
        order.account_id == first.account_id
        and order.symbol == first.symbol
        and order.quantity_lots == first.quantity_lots
        and (order.options is None or not order.options.quote_minor)
        for order in orders
    )
    if not alike:
        return False
    if command.list_kind is OrderListKind.OCO:
        return _is_oco(*orders)
    return _is_bracket(*orders)


def _is_oco(one: PlaceOrder, other: PlaceOrder) -> bool:
    limits = sum(order.type is OrderType.LIMIT for order in (one, other))
    return one.side is other.side and limits < 2 and _may_be_leg(one) and _may_be_leg(other)


def _may_be_leg(order: PlaceOrder) -> bool:
    return order.type is not OrderType.MARKET and order.time_in_force not in _AT_ONCE


def _is_bracket(entry: PlaceOrder, take_profit: PlaceOrder, stop: PlaceOrder) -> bool:
    return (
        entry.type in (OrderType.LIMIT, OrderType.MARKET)
        and take_profit.side is stop.side is not entry.side
        and (take_profit.type is OrderType.LIMIT or take_profit.type in _TAKE_PROFITS)
        and stop.type in _STOPS
        and _may_be_leg(take_profit)
        and _may_be_leg(stop)
        and _apart(take_profit, stop)
    )


def _apart(take_profit: PlaceOrder, stop: PlaceOrder) -> bool:
    """Whether the take-profit's price is on the better side of the stop's."""
    stop_ticks = (stop.options or NO_OPTIONS).stop_ticks
    if stop.type is OrderType.TRAILING_STOP:
        return True
    profit_ticks = take_profit.price_ticks
    if take_profit.type is not OrderType.LIMIT:
        profit_ticks = (take_profit.options or NO_OPTIONS).stop_ticks
    if stop.side is Side.SELL:
        return profit_ticks > stop_ticks
    return profit_ticks < stop_ticks
