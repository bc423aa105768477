"""Cancels: of one order, of many, by their owner or by an operator."""

from operator import attrgetter
from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import CancelAllOrders, CancelOrder
from orderbook.core.events import CancelRejected, Event
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Order
from orderbook.core.refusals import cancel_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.units import FEE_ACCOUNT_ID, CancelReason, Side
from orderbook.core.venue import Venue

_by_age = attrgetter("order_id")

# Reading an enumeration's member costs ten times as much as a constant.
_USER: Final = CancelReason.USER
_OPERATOR: Final = CancelReason.OPERATOR


class Cancels:
    __slots__ = ("_lifecycle", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle) -> None:
        self._venue = venue
        self._lifecycle = lifecycle

    def cancel(self, command: CancelOrder, events: list[Event], counted: bool = False) -> None:
        """``counted``: the account's rate limit has let the command pass already."""
        venue = self._venue
        account = venue.accounts.get(command.account_id)
        if account is None:
            events.append(cancel_rejected(command, RejectReason.UNKNOWN_ACCOUNT))
            return
        if account.limits is not None and not counted and not command.by_operator:
            refused = account.limits.take(1, 0, venue.time_ns)
            if refused is not None:
                events.append(cancel_rejected(command, refused))
                return
        order_id = command.order_id
        if not order_id:
            order_id = account.client_order_ids.get(command.client_order_id, 0)
        order = account.orders.get(order_id)
        if order is None:
            events.append(cancel_rejected(command, RejectReason.UNKNOWN_ORDER))
            return
        self._lifecycle.cancel(order, _OPERATOR if command.by_operator else _USER, events)

    def cancel_all(self, command: CancelAllOrders, events: list[Event]) -> None:
        account_id, symbol = command.account_id, command.symbol
        everybody = account_id == FEE_ACCOUNT_ID and command.by_operator
        book = self._venue.books.get(symbol)
        if book is None and (symbol or everybody):
            events.append(CancelRejected(account_id, 0, "", RejectReason.UNKNOWN_SYMBOL))
            return
        reason = _reason(command)
        if everybody:
            self.cancel_everybody(book, command.side, reason, events)
            return
        account = self._venue.registry.by_id.get(account_id)
        if account is None:
            events.append(CancelRejected(account_id, 0, "", RejectReason.UNKNOWN_ACCOUNT))
            return
        self.cancel_every(account, book, reason, events, command.side)

    def cancel_every(
        self,
        account: Account,
        book: Book | None,
        reason: CancelReason,
        events: list[Event],
        side: Side | None = None,
    ) -> None:
        """Cancels an account's orders, oldest first, in one book or in all, of one side or both."""
        self._cancel_orders(list(account.orders.values()), book, side, reason, events)

    def cancel_everybody(
        self, book: Book | None, side: Side | None, reason: CancelReason, events: list[Event]
    ) -> None:
        """Cancels every account's orders, oldest first, in one book or in all."""
        orders = [
            order
            for account in self._venue.registry.by_id.values()
            for order in account.orders.values()
        ]
        orders.sort(key=_by_age)
        self._cancel_orders(orders, book, side, reason, events)

    def _cancel_orders(
        self,
        orders: list[Order],
        book: Book | None,
        side: Side | None,
        reason: CancelReason,
        events: list[Event],
    ) -> None:
        for order in orders:
            if (
                (book is None or order.book is book)
                and (side is None or order.side is side)
                and order.order_id in order.account.orders  # may have ended with one of its list
            ):
                self._lifecycle.cancel(order, reason, events)


def _reason(command: CancelAllOrders) -> CancelReason:
    if command.by_operator:
        return CancelReason.OPERATOR
    return CancelReason.DISCONNECTED if command.on_disconnect else CancelReason.USER
