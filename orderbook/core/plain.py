"""The short way of plain orders and of their cancels, which are nearly all that a venue gets.

A plain order is a limit order, good till canceled or immediate or cancel, without options, of an
account and in a book that nothing restricts. The general way (``placing``, ``cancels``) would do
the same, in more steps. This one only ever accepts: whatever is not plain, or would be refused, it
leaves untouched to the general way, which knows the rules' order and their reasons.

Only for commands that come alone: a resting order and a cancel touch one balance, and its
``BalanceChanged`` is written here at once, without the ledger's list of what was touched.

Each way is one function without calls of ours, because calls and what they hand over would be half
of its time (docs/performance.md).
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import astuple

from orderbook.core.balances import negative
from orderbook.core.cancels import Cancels
from orderbook.core.commands import CancelOrder, PlaceOrder
from orderbook.core.entry import OrderEntry
from orderbook.core.events import BalanceChanged, Event, OrderAccepted, OrderCanceled
from orderbook.core.matching import Matcher
from orderbook.core.order import Order
from orderbook.core.placing import Placing
from orderbook.core.risk import refuse_client_order_id
from orderbook.core.units import MAX_PRICE_TICKS, CancelReason, OrderType, Side, TimeInForce
from orderbook.core.venue import Venue

# Reading an enumeration's member costs ten times as much as a constant.
_BUY: Final = Side.BUY
_LIMIT: Final = OrderType.LIMIT
_GTC: Final = TimeInForce.GTC
_IOC: Final = TimeInForce.IOC
_USER: Final = CancelReason.USER
# The compiled build finds what is final at once, and what is imported by its name.
_fields_of: Final = astuple
_Accepted: Final = OrderAccepted
_Canceled: Final = OrderCanceled
_Changed: Final = BalanceChanged


class PlainWay:
    __slots__ = ("_cancels", "_entry", "_finish", "_matcher", "_placing", "_venue")

    def __init__(
        self,
        venue: Venue,
        placing: Placing,
        entry: OrderEntry,
        matcher: Matcher,
        cancels: Cancels,
        finish: Callable[[list[Event]], None],
    ) -> None:
        """``finish``: what a command ends with that did more than to rest or to cancel a plain
        order."""
        self._venue = venue
        self._placing = placing
        self._entry = entry
        self._matcher = matcher
        self._cancels = cancels
        self._finish = finish

    def place(self, command: PlaceOrder) -> list[Event]:
        """Every rule of ``refuse_order`` at once, for a plain order; then it rests, or trades."""
        venue = self._venue
        # In one call, because the compiled build finds each attribute of a message by its name.
        # What only goes on into dictionaries and events stays an object (Any): as an integer it
        # would be made anew at each use.
        account_id: Any
        symbol: Any
        side: Side
        type: OrderType
        time_in_force: TimeInForce
        price_ticks: int
        lots: int
        client_order_id: str
        (
            account_id, symbol, side, type, time_in_force,
            price_ticks, lots, client_order_id, options,
        ) = _fields_of(command)  # fmt: skip
        try:
            book = venue.books[symbol]
            account = venue.accounts[account_id]
            if side is _BUY:
                own = book.bids
                funds = account.balances[book.quote]
            else:
                own = book.asks
                funds = account.balances[book.base]
        except KeyError:
            return self._place_generally(command)
        level = own.levels.get(price_ticks)
        if level is not None:  # then its price is one that orders may have
            per_lot_minor = level.lot_notional_minor
        elif 0 < price_ticks <= MAX_PRICE_TICKS:
            per_lot_minor = price_ticks * book.tick_lot_minor
        else:
            return self._place_generally(command)
        needed_minor = notional_minor = lots * per_lot_minor
        if side is not _BUY:
            per_lot_minor = book.lot_minor
            needed_minor = lots * per_lot_minor
        available_minor = funds.available_minor - needed_minor
        orders = account.orders
        if (
            not (book.is_plain and account.is_unrestricted)
            or venue.kill_switch
            or options is not None
            or type is not _LIMIT
            or (time_in_force is not _GTC and time_in_force is not _IOC)
            or lots <= 0
            or lots > book.max_quantity_lots
            or available_minor < 0
            or notional_minor < book.min_notional_minor
            or notional_minor > book.max_notional_minor
            or len(orders) >= account.max_open_orders
            or (client_order_id and refuse_client_order_id(client_order_id, account) is not None)
        ):
            return self._place_generally(command)
        order_id = venue.next_order_id
        venue.next_order_id = order_id + 1
        order = Order()
        order.order_id = order_id
        order.account = account
        order.book = book
        order.funds = funds
        order.held_per_lot_minor = per_lot_minor
        order.side = side
        order.price_ticks = price_ticks
        order.quantity_lots = order.remaining_lots = lots
        order.client_order_id = client_order_id
        order.special = None
        if client_order_id:
            account.client_order_ids[client_order_id] = order_id
        accepted = _Accepted(
            order_id, account_id, symbol, side, type, time_in_force,
            price_ticks, lots, client_order_id,
        )  # fmt: skip
        if level is not None and level.last is not None and time_in_force is _GTC:
            # Others rest at this price, so nobody on the other side would trade at it: a book that
            # is plain trades continuously and is never crossed (I6).
            last = level.last
            order.level = level
            order.preceding = last
            order.following = None
            last.following = level.last = order
            level.quantity_lots += lots
            level.order_count += 1
            book.update_id = order.priority = book.update_id + 1
            if not level.is_changed:
                own.note_change(level)
        elif time_in_force is _IOC or book.would_lock(side, price_ticks):
            order.level = None
            order.priority = 0
            events: list[Event] = [accepted]
            ended = self._matcher.match(order, price_ticks, account.self_trade, events)
            if ended is not None or order.remaining_lots or client_order_id:
                self._entry.conclude(order, _LIMIT, time_in_force, ended, events)
            self._finish(events)
            return events
        else:
            own.append(order)
        orders[order_id] = order
        funds.available_minor = available_minor
        funds.held_minor = held_minor = funds.held_minor + needed_minor
        return [
            accepted,
            _Changed(account_id, funds.asset, available_minor, held_minor),
        ]

    def cancel(self, command: CancelOrder) -> list[Event]:
        order_id: Any = command.order_id
        try:
            account = self._venue.accounts[command.account_id]
            order = account.orders[order_id]
        except KeyError:
            return self._cancel_generally(command)
        book, level, lots = order.book, order.level, order.remaining_lots
        if (
            level is None
            or order.special is not None
            or book.auction is not None
            or account.limits is not None
            or command.by_operator
        ):
            return self._cancel_generally(command)
        preceding, following, side = order.preceding, order.following, level.book_side
        if preceding is not None:
            preceding.following = following
        else:
            level.first = following
        if following is not None:
            following.preceding = preceding
        else:
            level.last = preceding
            if preceding is None:
                side.vacate(level)
        order.level = None
        level.quantity_lots -= lots
        level.order_count -= 1
        book.update_id += 1
        if not level.is_changed:
            side.note_change(level)
        del account.orders[order_id]
        funds, released_minor = order.funds, lots * order.held_per_lot_minor
        funds.available_minor = available_minor = funds.available_minor + released_minor
        funds.held_minor = held_minor = funds.held_minor - released_minor
        if held_minor < 0:
            raise negative(funds, "held", held_minor)
        client_order_id = order.client_order_id
        if client_order_id:
            self._venue.registry.finish_client_order_id(account, client_order_id)
        return [
            _Canceled(order_id, account.account_id, book.symbol, client_order_id, lots, _USER),
            _Changed(account.account_id, funds.asset, available_minor, held_minor),
        ]

    def _place_generally(self, command: PlaceOrder) -> list[Event]:
        events: list[Event] = []
        self._placing.place(command, events)
        self._finish(events)
        return events

    def _cancel_generally(self, command: CancelOrder) -> list[Event]:
        events: list[Event] = []
        self._cancels.cancel(command, events)
        self._finish(events)
        return events
