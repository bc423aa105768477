"""Atomic cancel-replace: one order is canceled and another one placed, or nothing happens.

The new order is of the same account, instrument and side, so that the cancel cannot change what it
would meet in the book. It is judged as if the old one were gone: what that holds counts as
available, and its place among the open orders, and among the instrument's trailing stops, as free.
"""

from orderbook.core.accounts import Account
from orderbook.core.commands import PlaceOrder, ReplaceOrder
from orderbook.core.events import CancelRejected, Event
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Order
from orderbook.core.placing import Placing
from orderbook.core.refusals import order_rejected
from orderbook.core.rehearsal import Rehearsal
from orderbook.core.rejects import RejectReason
from orderbook.core.risk import refuse_order
from orderbook.core.text import client_order_id_or_blank
from orderbook.core.units import CancelReason
from orderbook.core.venue import Venue


class Replaces:
    __slots__ = ("_lifecycle", "_placing", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle, placing: Placing) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._placing = placing

    def replace(self, command: ReplaceOrder, events: list[Event]) -> None:
        venue, new = self._venue, command.order
        account = venue.registry.by_id.get(new.account_id)
        if account is None:
            events.append(_cancel_rejected(command, RejectReason.UNKNOWN_ACCOUNT))
            return
        if account.limits is not None:
            refused = account.limits.take(1, 1, venue.time_ns)
            if refused is not None:
                events.append(order_rejected(new, refused))
                return
        old = account.find_order(command.order_id, command.cancel_client_order_id)
        if old is None:
            events.append(_cancel_rejected(command, RejectReason.UNKNOWN_ORDER))
            return
        refused = self._refuse_new(new, old, account)
        if refused is not None:
            events.append(order_rejected(new, refused))
            return
        self._lifecycle.cancel(old, CancelReason.REPLACED, events)
        self._placing.enter(new, old.book, account, events)

    def _refuse_new(self, new: PlaceOrder, old: Order, account: Account) -> RejectReason | None:
        book = self._venue.books.get(new.symbol)
        if book is not None and (old.book is not book or old.side is not new.side):
            return RejectReason.INVALID_ORDER
        rehearsal = Rehearsal(account)
        rehearsal.end(old)
        refused = refuse_order(new, book, account, self._venue)
        rehearsal.undo()
        return refused


def _cancel_rejected(command: ReplaceOrder, reason: RejectReason) -> CancelRejected:
    client_order_id = client_order_id_or_blank(command.cancel_client_order_id)
    return CancelRejected(command.order.account_id, command.order_id, client_order_id, reason)
