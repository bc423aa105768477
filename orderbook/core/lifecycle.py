"""How an open order ends: by its last fill, or canceled for a reason.

Every way in which an order leaves the venue goes through here, so that what it holds is released,
its ids are remembered as used, its timer stops, and the orders that depend on it hear of it.
"""

from orderbook.core.auction import book_changed
from orderbook.core.events import Event, OrderCanceled, Trade
from orderbook.core.order import Order, OrderList, Special, Stage
from orderbook.core.timers import TimerKind
from orderbook.core.units import MAX_SUPPLY_MINOR, CancelReason, OrderListKind, Side
from orderbook.core.venue import Venue


class Lifecycle:
    __slots__ = ("_venue",)

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def cancel(self, order: Order, reason: CancelReason, events: list[Event]) -> None:
        """Ends an open order, wherever it stands."""
        if order.special is not None:
            self._cancel_special(order, order.special, reason, events)
            return
        account, book, order_id = order.account, order.book, order.order_id
        remaining_lots, client_order_id = order.remaining_lots, order.client_order_id
        book.remove(order)
        self._venue.ledger.release(order.funds, remaining_lots * order.held_per_lot_minor)
        del account.orders[order_id]
        if book.auction is not None:
            book_changed(self._venue, book)
        events.append(
            OrderCanceled(
                order_id, account.account_id, book.symbol, client_order_id, remaining_lots, reason
            )
        )
        if client_order_id:
            self._venue.registry.finish_client_order_id(account, client_order_id)

    def _cancel_special(
        self, order: Order, special: Special, reason: CancelReason, events: list[Event]
    ) -> None:
        venue = self._venue
        held_minor = order.held_minor()
        self._take_away(order, special)
        if held_minor:
            venue.ledger.release(order.funds, held_minor)
        del order.account.orders[order.order_id]
        if order.book.auction is not None:
            book_changed(venue, order.book)
        self.end(order, reason, events)

    def _take_away(self, order: Order, special: Special) -> None:
        """Takes an order that is not plain from where it stands."""
        if special.stage is Stage.RESTING:
            order.book.remove(order)
        elif special.stage is Stage.WAITING:
            assert order.book.waiting is not None
            order.book.waiting.remove(order)
        elif special.stage is Stage.SET_OFF:
            self._venue.agenda.remove(order)
        else:
            assert special.stage is Stage.PENDING
            order.book.waiting_orders().unregister(order)

    def end(self, order: Order, reason: CancelReason, events: list[Event]) -> None:
        """Records the end of an order that is not, or no longer, open and holds nothing."""
        events.append(
            OrderCanceled(
                order.order_id,
                order.account.account_id,
                order.book.symbol,
                order.client_order_id,
                order.open_lots(),
                reason,
            )
        )
        self.forget(order)

    def shrink(self, order: Order, lots: int) -> None:
        """Makes a resting order smaller, what does not show first; it keeps its place."""
        held_minor = order.held_minor()
        level = order.level
        assert level is not None
        shown_lots = lots
        special = order.special
        if special is not None:
            hidden_lots = min(lots, special.reserve_lots)
            special.reserve_lots -= hidden_lots
            shown_lots -= hidden_lots
            level.reserve_lots -= hidden_lots
        if shown_lots:
            order.book.reduce(order, shown_lots)
        if order.book.auction is not None:
            book_changed(self._venue, order.book)
        order.quantity_lots -= lots
        self._venue.ledger.release(order.funds, held_minor - order.held_minor())

    def note_fill(self, order: Order, order_list: OrderList, trade: Trade) -> None:
        """An order of a list traded."""
        if order_list.list_kind is OrderListKind.OCO:
            self.note_act(order, order_list)
            return
        order_list.filled_lots += trade.quantity_lots
        if order.side is Side.SELL:
            return
        is_maker = order.order_id == trade.maker_order_id
        fee_minor = trade.maker_fee_minor if is_maker else trade.taker_fee_minor
        received_minor = order_list.received_minor + trade.base_minor - fee_minor
        # More than there can be at once is never available to sell.
        order_list.received_minor = min(received_minor, MAX_SUPPLY_MINOR)

    def note_act(self, order: Order, order_list: OrderList) -> None:
        """An order of an OCO traded, in part at least, so that the other one has to go."""
        order_list.acted = order
        self._touch(order, order_list)

    def note_decrement(self, order: Order, order_list: OrderList) -> None:
        """Self-trade prevention made an order of a list smaller."""
        if order_list.list_kind is OrderListKind.OCO:
            self.note_act(order, order_list)

    def _touch(self, order: Order, order_list: OrderList) -> None:
        self._venue.touched_lists.append(order_list)
        self._venue.traded_books.append(order.book)

    def fill_maker(self, maker: Order) -> None:
        """A resting order was filled to the end; its money is settled."""
        maker.book.remove(maker)
        del maker.account.orders[maker.order_id]
        self.forget(maker)

    def forget(self, order: Order) -> None:
        """The order is done, filled or canceled."""
        if order.client_order_id:
            self._venue.registry.finish_client_order_id(order.account, order.client_order_id)
        if order.special is not None:
            self._forget_special(order, order.special)

    def _forget_special(self, order: Order, special: Special) -> None:
        if special.options.expire_time_ns:
            self._venue.timers.clear(TimerKind.EXPIRY, order.order_id)
            del self._venue.expiring[order.order_id]
        order_list = special.order_list
        if order_list is not None:
            special.order_list = None
            order_list.orders.remove(order)
            self._touch(order, order_list)
