"""Orders that depend on one another: OCO (one cancels the other) and brackets.

An OCO's two orders share one hold: the second holds only what it needs beyond the first. As soon as
one trades, is set off or ends, the other is canceled, and what is left of the one stands alone.

A bracket's exits hold nothing and stand nowhere until its entry is done. If that filled anything,
they become an OCO for as many lots: as many as were sold, or as can be sold of what was bought less
fees. Otherwise they are canceled. An exit that ends before takes the entry with it.

Lists settle after the order that touched them is done, not in the midst of its fills.
"""

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrderList
from orderbook.core.events import Event, OrderArmed, OrderListAccepted, StopMoved, Trade
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Order, OrderList, Special, Stage
from orderbook.core.refusals import order_rejected
from orderbook.core.risk_lists import refuse_list
from orderbook.core.special import SpecialEntry
from orderbook.core.units import CancelReason, OrderListKind, OrderType, Side
from orderbook.core.venue import Venue


class Lists:
    __slots__ = ("_lifecycle", "_special", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle, special: SpecialEntry) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._special = special

    def place(self, command: PlaceOrderList, events: list[Event]) -> None:
        refused = refuse_list(command, self._venue)
        if refused is not None:
            order, reason = refused
            events.append(order_rejected(order, reason))
            return
        first = command.orders[0]
        book = self._venue.books[first.symbol]
        account = self._venue.registry.by_id[first.account_id]
        order_list = self._accept(command, book, account, events)
        if command.list_kind is OrderListKind.OCO:
            self._start(order_list, events)
        else:
            self._execute(order_list.orders[0], order_list, events)

    def _accept(
        self, command: PlaceOrderList, book: Book, account: Account, events: list[Event]
    ) -> OrderList:
        """Gives every order its id; none of them holds or stands anywhere yet."""
        list_id = self._venue.next_order_id
        order_list = OrderList(list_id, command.list_kind)
        events.append(
            OrderListAccepted(
                list_id,
                account.account_id,
                book.instrument.symbol,
                command.list_kind,
                tuple(range(list_id, list_id + len(command.orders))),
            )
        )
        for item in command.orders:
            order = self._special.accept(item, book, account, list_id, events)
            special = _special(order)
            special.order_list = order_list
            special.stage = Stage.PENDING
            order_list.orders.append(order)
            account.orders[order.order_id] = order
            book.waiting_orders().register(order)
        return order_list

    def _start(self, order_list: OrderList, events: list[Event]) -> None:
        """Sends an OCO's limit order to the book and lets the others wait."""
        first, second = order_list.orders
        if _special(second).type is OrderType.LIMIT:
            first, second = second, first
        if _special(first).type is OrderType.LIMIT:
            lots = first.open_lots()
            self._execute(first, order_list, events)
            if first.level is None:
                return
            if first.open_lots() < lots:
                self._lifecycle.note_act(first, order_list)
                return
        else:
            self._special.wait(first, _special(first))
        _special(second).covered_minor = first.held_minor()
        self._special.wait(second, _special(second))

    def _execute(self, order: Order, order_list: OrderList, events: list[Event]) -> None:
        """Sends one order of a list to the book and notes what it traded there."""
        _special(order).stage = Stage.TAKING
        first = len(events)
        self._special.execute(order, events)
        if order_list.list_kind is OrderListKind.BRACKET:
            for event in events[first:]:
                if type(event) is Trade and event.taker_order_id == order.order_id:
                    self._lifecycle.note_fill(order, order_list, event)
        if order.level is None:
            del order.account.orders[order.order_id]

    def settle(self, events: list[Event]) -> None:
        """Lets go of the orders that go with one that traded or ended; what is to be armed comes
        first on the agenda."""
        touched = self._venue.touched_lists
        armed: list[OrderList] = []
        for order_list in touched:  # grows meanwhile
            orders = order_list.orders
            if (
                order_list.list_kind is OrderListKind.BRACKET
                and order_list.filled_lots
                and len(orders) == 2
                and order_list.entry() is None
            ):
                armed.append(order_list)
            else:
                self.let_go(order_list, order_list.acted, events)
        touched.clear()
        self._venue.agenda.extendleft(reversed(armed))

    def let_go(self, order_list: OrderList, survivor: Order | None, events: list[Event]) -> None:
        """Cancels every order of the list but one, which is then a list's no more."""
        orders = self._dissolve(order_list)
        for order in orders:
            if order is not survivor:
                self._lifecycle.cancel(order, CancelReason.OTHER_LEG, events)
        if survivor is not None and survivor in orders:
            held_minor = survivor.held_minor()
            _special(survivor).covered_minor = 0
            more_minor = survivor.held_minor() - held_minor
            if more_minor:
                self._venue.ledger.hold(survivor.funds, more_minor)

    def _dissolve(self, order_list: OrderList) -> list[Order]:
        """The orders that were a list's up to now."""
        # Only these can be on the agenda: no search of it for each of the many OCOs of one price.
        if order_list.list_kind is OrderListKind.BRACKET and order_list.entry() is None:
            agenda = self._venue.agenda
            if order_list in agenda:
                agenda.remove(order_list)
        orders, order_list.orders = order_list.orders, []
        for order in orders:
            _special(order).order_list = None
        return orders

    def arm(self, order_list: OrderList, events: list[Event]) -> None:
        """Makes the exits of a bracket an OCO for what its entry filled."""
        exits = order_list.orders
        order = exits[0]
        lots = order_list.filled_lots
        if order.side is Side.SELL:
            lots = order_list.received_minor // order.book.instrument.lot_minor
        needed_minor = lots * max(order.held_per_lot_minor for order in exits)
        reason: CancelReason | None = None
        if not lots:
            reason = CancelReason.UNTRADEABLE
        elif order.funds.available_minor < needed_minor:
            reason = CancelReason.INSUFFICIENT_BALANCE
        if reason is not None:
            for order in self._dissolve(order_list):
                self._lifecycle.cancel(order, reason, events)
            return
        order_list.list_kind = OrderListKind.OCO
        for order in exits:
            order.quantity_lots = order.remaining_lots = lots
            events.append(order_armed(order))
        self._venue.traded_books.append(order.book)
        self._start(order_list, events)
        for order in exits:
            special = _special(order)
            if special.stage is Stage.WAITING and special.type is OrderType.TRAILING_STOP:
                events.append(
                    StopMoved(
                        order.order_id,
                        order.account.account_id,
                        order.book.instrument.symbol,
                        special.stop_ticks,
                    )
                )


def order_armed(order: Order) -> OrderArmed:
    return OrderArmed(
        order.order_id,
        order.account.account_id,
        order.book.instrument.symbol,
        order.quantity_lots,
    )


def _special(order: Order) -> Special:
    assert order.special is not None
    return order.special
