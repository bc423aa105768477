"""New orders with options: resolved, priced, and sent to the book or to wait for their stop."""

from typing import Final

from msgspec.structs import replace

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.entry import OrderEntry
from orderbook.core.events import Event, OrderAccepted, OrderAmended
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.liquidity import lots_for_quote, passed_over
from orderbook.core.matching import market_limit_ticks
from orderbook.core.order import Order, Special, Stage
from orderbook.core.phases import CONTINUOUS
from orderbook.core.terms import NO_OPTIONS, OrderOptions
from orderbook.core.timers import TimerKind
from orderbook.core.units import (
    DAY_NS,
    MAX_PRICE_TICKS,
    CancelReason,
    OrderType,
    PostOnly,
    Side,
    TimeInForce,
)
from orderbook.core.venue import Venue
from orderbook.core.waiting import start_trailing, trailing_stop_ticks

EXECUTED_AS: Final = {
    OrderType.LIMIT: OrderType.LIMIT,
    OrderType.MARKET: OrderType.MARKET,
    OrderType.STOP_MARKET: OrderType.MARKET,
    OrderType.STOP_LIMIT: OrderType.LIMIT,
    OrderType.TAKE_PROFIT_MARKET: OrderType.MARKET,
    OrderType.TAKE_PROFIT_LIMIT: OrderType.LIMIT,
    OrderType.TRAILING_STOP: OrderType.MARKET,
}
"""What each type of order is once it goes to the book."""


class SpecialEntry:
    __slots__ = ("_entry", "_lifecycle", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle, entry: OrderEntry) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._entry = entry

    def place(self, command: PlaceOrder, book: Book, account: Account, events: list[Event]) -> None:
        """Executes an order with options that ``refuse_order`` let pass."""
        order = self.accept(command, book, account, 0, events)
        self.start(order, events)

    def accept(
        self,
        command: PlaceOrder,
        book: Book,
        account: Account,
        list_id: int,
        events: list[Event],
    ) -> Order:
        """Gives the order its id and its resolved options; it neither holds nor stands anywhere."""
        options = self._resolved(command, book, account)
        if options.quote_minor:
            limit_ticks = command.price_ticks or market_limit_ticks(command.side)
            gone = passed_over(account, options.self_trade or account.self_trade)
            lots = lots_for_quote(book, command.side, limit_ticks, options.quote_minor, gone)
            command = replace(command, quantity_lots=min(lots, book.instrument.max_quantity_lots))
        order = self._entry.accept(command, book, account)
        order.special = Special(command.type, command.time_in_force, options)
        events.append(
            OrderAccepted(
                order.order_id,
                command.account_id,
                command.symbol,
                command.side,
                command.type,
                command.time_in_force,
                command.price_ticks,
                command.quantity_lots,
                command.client_order_id,
                options,
                list_id,
            )
        )
        if options.expire_time_ns:
            self._venue.timers.set(TimerKind.EXPIRY, order.order_id, options.expire_time_ns)
            self._venue.expiring[order.order_id] = order
        return order

    def start(self, order: Order, events: list[Event]) -> None:
        """Sends an accepted order to wait for its stop price, or into the book."""
        special = order.special
        assert special is not None
        if special.type in (OrderType.LIMIT, OrderType.MARKET):
            self.execute(order, events)
        else:
            self.wait(order, special)

    def wait(self, order: Order, special: Special) -> None:
        """Puts an order that holds nothing where its stop price can find it."""
        book = order.book
        if special.type is OrderType.TRAILING_STOP:
            start_trailing(order, book.last_ticks or book.reference_ticks)
        special.stage = Stage.WAITING
        self._venue.ledger.hold(order.funds, order.held_minor())
        order.account.orders[order.order_id] = order
        book.waiting_orders().add(order)

    def execute(self, order: Order, events: list[Event]) -> None:
        """Sends an order that holds nothing into the book, a stop as what it has become."""
        special = order.special
        assert special is not None
        options = special.options
        if options.post_only is not PostOnly.OFF and order.book.instrument.status in CONTINUOUS:
            price_ticks = passive_price_ticks(order.book, order.side, order.price_ticks)
            if refuses_to_trade(options.post_only, price_ticks, order.price_ticks):
                self._lifecycle.end(order, CancelReason.POST_ONLY, events)
                return
            if price_ticks != order.price_ticks:
                order.reprice(price_ticks)
                events.append(amended(order, kept_priority=False))
        assert options.self_trade is not None
        self._entry.execute(
            order, EXECUTED_AS[special.type], special.time_in_force, options.self_trade, events
        )

    def _resolved(self, command: PlaceOrder, book: Book, account: Account) -> OrderOptions:
        options = command.options or NO_OPTIONS
        expire_time_ns = options.expire_time_ns
        if command.time_in_force is TimeInForce.DAY:
            expire_time_ns = (self._venue.time_ns // DAY_NS + 1) * DAY_NS
        stop_ticks = options.stop_ticks
        last_ticks = book.last_ticks or book.reference_ticks
        if options.trail_ticks and last_ticks:
            stop_ticks = trailing_stop_ticks(command.side, last_ticks, options.trail_ticks)
        return replace(
            options,
            self_trade=options.self_trade or account.self_trade,
            expire_time_ns=expire_time_ns,
            stop_ticks=stop_ticks,
        )


def passive_price_ticks(book: Book, side: Side, price_ticks: int) -> int:
    """The nearest price at which an order would not trade on arrival; it may be out of bounds."""
    if side is Side.BUY:
        ask = book.asks.best
        return price_ticks if ask is None else min(price_ticks, ask.price_ticks - 1)
    bid = book.bids.best
    return price_ticks if bid is None else max(price_ticks, bid.price_ticks + 1)


def refuses_to_trade(post_only: PostOnly, passive_ticks: int, price_ticks: int) -> bool:
    """Whether a post-only order may not go to the book: not at its price, or nowhere."""
    if passive_ticks == price_ticks:
        return False
    return post_only is PostOnly.REJECT or not 0 < passive_ticks <= MAX_PRICE_TICKS


def reprices(command: PlaceOrder, book: Book) -> bool:
    """Whether a limit order that would trade on arrival is moved instead, as the market is now."""
    options = command.options
    return (
        options is not None
        and options.post_only is PostOnly.REPRICE
        and book.instrument.status in CONTINUOUS
    )


def amended(order: Order, kept_priority: bool) -> OrderAmended:
    """The event that says how an order stands now."""
    special = order.special
    return OrderAmended(
        order.order_id,
        order.account.account_id,
        order.book.instrument.symbol,
        order.client_order_id,
        order.price_ticks,
        order.quantity_lots,
        order.open_lots(),
        special.stop_ticks if special is not None else 0,
        kept_priority,
    )
