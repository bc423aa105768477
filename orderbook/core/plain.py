"""The short way of plain orders and of their cancels, which are nearly all that a venue gets.

A plain order is a limit order, good till canceled or immediate or cancel, without options, of an
account and in a book that nothing restricts. The general way (``placing``, ``cancels``) would do
the same, in more steps. This one only ever accepts: whatever is not plain, or would be refused, it
leaves untouched to the general way, which knows the rules' order and their reasons.

Only for commands that come alone: a resting order and a cancel touch one balance, and its
``BalanceChanged`` is written here at once, without the ledger's list of what was touched.
"""

from orderbook.core.accounts import Account
from orderbook.core.balances import Balance
from orderbook.core.book import Book
from orderbook.core.cancels import Cancels
from orderbook.core.commands import CancelOrder, PlaceOrder
from orderbook.core.entry import OrderEntry
from orderbook.core.events import Event, OrderAccepted, OrderCanceled
from orderbook.core.order import new_order
from orderbook.core.placing import Placing
from orderbook.core.risk import refuse_client_order_id
from orderbook.core.units import MAX_PRICE_TICKS, CancelReason, OrderType, Side, TimeInForce
from orderbook.core.venue import Venue

# Reading an enumeration's member costs ten times as much as a constant.
_BUY = Side.BUY
_LIMIT = OrderType.LIMIT
_GTC = TimeInForce.GTC
_IOC = TimeInForce.IOC
_USER = CancelReason.USER


class PlainWay:
    __slots__ = ("_cancels", "_entry", "_placing", "_venue")

    def __init__(self, venue: Venue, placing: Placing, entry: OrderEntry, cancels: Cancels) -> None:
        self._venue = venue
        self._placing = placing
        self._entry = entry
        self._cancels = cancels

    def place(self, command: PlaceOrder, events: list[Event]) -> None:
        """Every rule of ``refuse_order`` at once, for a plain order."""
        venue = self._venue
        book = venue.books.get(command.symbol)
        account = venue.accounts.get(command.account_id)
        price_ticks, lots = command.price_ticks, command.quantity_lots
        side, time_in_force = command.side, command.time_in_force
        if (
            book is None
            or account is None
            or not (book.is_plain and account.is_unrestricted)
            or venue.kill_switch
            or command.options is not None
            or command.type is not _LIMIT
            or (time_in_force is not _GTC and time_in_force is not _IOC)
            or not 0 < lots <= book.max_quantity_lots
            or not 0 < price_ticks <= MAX_PRICE_TICKS
            or len(account.orders) >= account.max_open_orders
        ):
            self._placing.place(command, events)
            return
        client_order_id = command.client_order_id
        per_lot_minor = price_ticks * book.tick_lot_minor
        notional_minor = lots * per_lot_minor
        funds = account.balances.get(book.quote if side is _BUY else book.base)
        if side is not _BUY:
            per_lot_minor = book.lot_minor
        if (
            funds is None
            or funds.available_minor < lots * per_lot_minor
            or not book.min_notional_minor <= notional_minor <= book.max_notional_minor
            or (client_order_id and refuse_client_order_id(client_order_id, account) is not None)
        ):
            self._placing.place(command, events)
            return
        self._enter(
            book, account, funds, side, price_ticks, lots, per_lot_minor,
            time_in_force, client_order_id, events,
        )  # fmt: skip

    def _enter(
        self,
        book: Book,
        account: Account,
        funds: Balance,
        side: Side,
        price_ticks: int,
        lots: int,
        per_lot_minor: int,
        time_in_force: TimeInForce,
        client_order_id: str,
        events: list[Event],
    ) -> None:
        """Accepts the order, and rests it at once where it meets none."""
        venue = self._venue
        order_id = venue.next_order_id
        venue.next_order_id = order_id + 1
        order = new_order(
            order_id, account, book, funds, per_lot_minor, side, price_ticks, lots, client_order_id
        )
        accepted = OrderAccepted(
            order_id, account.account_id, book.symbol, side, _LIMIT, time_in_force,
            price_ticks, lots, client_order_id,
        )  # fmt: skip
        events.append(accepted)
        if client_order_id:
            account.client_order_ids[client_order_id] = order_id
        if side is _BUY:
            own, key, best = book.bids, -price_ticks, book.asks.best
            meets_none = best is None or best.price_ticks > price_ticks
        else:
            own, key, best = book.asks, price_ticks, book.bids.best
            meets_none = best is None or best.price_ticks < price_ticks
        if meets_none and time_in_force is _GTC:
            own.append(order, key)
            account.orders[order_id] = order
            events.append(funds.hold(lots * per_lot_minor))
        else:
            self._entry.execute(order, _LIMIT, time_in_force, account.self_trade, events)

    def cancel(self, command: CancelOrder, events: list[Event]) -> None:
        venue = self._venue
        order_id = command.order_id
        account = venue.accounts.get(command.account_id)
        order = account.orders.get(order_id) if account is not None else None
        if (
            account is None
            or order is None
            or order.special is not None
            or order.book.auction is not None
            or account.limits is not None
            or command.by_operator
        ):
            self._cancels.cancel(command, events)
            return
        book, lots, client_order_id = order.book, order.remaining_lots, order.client_order_id
        book.remove(order)
        del account.orders[order_id]
        events += (
            OrderCanceled(order_id, account.account_id, book.symbol, client_order_id, lots, _USER),
            order.funds.release(lots * order.held_per_lot_minor),
        )
        if client_order_id:
            venue.registry.finish_client_order_id(account, client_order_id)
