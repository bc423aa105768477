"""Cancels: of one order, of many, by their owner or by an operator."""

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import CancelAllOrders, CancelOrder
from orderbook.core.events import CancelRejected, Event
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.refusals import cancel_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.units import CancelReason
from orderbook.core.venue import Venue


class Cancels:
    __slots__ = ("_lifecycle", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle) -> None:
        self._venue = venue
        self._lifecycle = lifecycle

    def cancel(self, command: CancelOrder, events: list[Event]) -> None:
        account = self._venue.registry.by_id.get(command.account_id)
        if account is None:
            events.append(cancel_rejected(command, RejectReason.UNKNOWN_ACCOUNT))
            return
        order_id = command.order_id or account.client_order_ids.get(command.client_order_id, 0)
        order = account.orders.get(order_id)
        if order is None:
            events.append(cancel_rejected(command, RejectReason.UNKNOWN_ORDER))
            return
        reason = CancelReason.OPERATOR if command.by_operator else CancelReason.USER
        self._lifecycle.cancel(order, reason, events)

    def cancel_all(self, command: CancelAllOrders, events: list[Event]) -> None:
        symbol = command.symbol
        if symbol and symbol not in self._venue.books:
            reason = RejectReason.UNKNOWN_SYMBOL
            events.append(CancelRejected(command.account_id, 0, "", reason))
            return
        account = self._venue.registry.by_id.get(command.account_id)
        if account is None:
            reason = RejectReason.UNKNOWN_ACCOUNT
            events.append(CancelRejected(command.account_id, 0, "", reason))
            return
        self.cancel_every(
            account,
            self._venue.books[symbol] if symbol else None,
            CancelReason.OPERATOR if command.by_operator else CancelReason.USER,
            events,
        )

    def cancel_every(
        self, account: Account, book: Book | None, reason: CancelReason, events: list[Event]
    ) -> None:
        """Cancels an account's orders, oldest first, in one book or in all."""
        for order in list(account.orders.values()):
            if book is None or order.book is book:
                self._lifecycle.cancel(order, reason, events)
