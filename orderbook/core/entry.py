"""Order entry: a new order is refused, or accepted and sent into its book.

``special.py`` prepares orders with options; ``plain.py`` is a shorter way for the common ones.
"""

from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.auction import book_changed
from orderbook.core.bands import Bands, both, clipped, reaches_beyond, within
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.errors import InvariantBroken
from orderbook.core.events import Event, OrderAccepted
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.liquidity import fills_whole, meets
from orderbook.core.matching import Matcher, market_limit_ticks
from orderbook.core.order import Order, held_per_lot_minor, new_order
from orderbook.core.phases import Phases
from orderbook.core.units import (
    CancelReason,
    InstrumentStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from orderbook.core.venue import Venue

# Reading an enumeration's member costs ten times as much as a constant.
_BUY: Final = Side.BUY
_LIMIT: Final = OrderType.LIMIT
_IOC: Final = TimeInForce.IOC
_FOK: Final = TimeInForce.FOK
_TRADING: Final = InstrumentStatus.TRADING
_IOC_REMAINDER: Final = CancelReason.IOC_REMAINDER
_MARKET_REMAINDER: Final = CancelReason.MARKET_REMAINDER


class OrderEntry:
    __slots__ = ("_lifecycle", "_matcher", "_pause_ns", "_phases", "_venue")

    def __init__(
        self, venue: Venue, lifecycle: Lifecycle, matcher: Matcher, phases: Phases
    ) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._matcher = matcher
        self._phases = phases
        self._pause_ns = 0
        """How long the auction lasts that the running order sets off; 0: it sets off none."""

    def accept(self, command: PlaceOrder, book: Book, account: Account) -> Order:
        """Gives an order its id. Nothing is held yet, and no event is written."""
        venue = self._venue
        order_id = venue.next_order_id
        venue.next_order_id = order_id + 1
        client_order_id = command.client_order_id
        if client_order_id:
            account.client_order_ids[client_order_id] = order_id
        side = command.side
        return new_order(
            order_id,
            account,
            book,
            account.balance(book.quote if side is _BUY else book.base),
            held_per_lot_minor(book, side, command.price_ticks),
            side,
            command.price_ticks,
            command.quantity_lots,
            client_order_id,
        )

    def place(self, command: PlaceOrder, book: Book, account: Account, events: list[Event]) -> None:
        """Executes an order without options that ``refuse_order`` let pass."""
        order = self.accept(command, book, account)
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
            )
        )
        self.execute(order, command.type, command.time_in_force, account.self_trade, events)

    def execute(
        self,
        order: Order,
        type: OrderType,
        time_in_force: TimeInForce,
        rule: SelfTradePrevention,
        events: list[Event],
    ) -> None:
        """Sends an order that holds nothing into its book: fills it, then rests or ends it.

        ``type``: LIMIT or MARKET, which is what a stop has become by now.
        """
        book = order.book
        limit_ticks = order.price_ticks
        if type is not _LIMIT:
            limit_ticks = limit_ticks or market_limit_ticks(order.side)
        ended: CancelReason | None
        if book.instrument.status is not _TRADING:
            ended = self._outside_trading(order)
        elif book.bands is not None:
            rests = type is _LIMIT and time_in_force is not _IOC
            ended = self._match_within(
                book.bands, order, limit_ticks, time_in_force, rests, rule, events
            )
        elif time_in_force is _FOK and not self._fills_whole(order, limit_ticks, rule):
            ended = CancelReason.FOK_UNFILLABLE
        else:
            ended = self._matcher.match(order, limit_ticks, rule, events)
        self.conclude(order, type, time_in_force, ended, events)

    def conclude(
        self,
        order: Order,
        type: OrderType,
        time_in_force: TimeInForce,
        ended: CancelReason | None,
        events: list[Event],
    ) -> None:
        """What becomes of an order that traded as far as it could, or had to stop (``ended``)."""
        book = order.book
        if ended is not None:
            self._lifecycle.end(order, ended, events)
            if self._pause_ns:
                self._pause(book, events)
        elif not order.remaining_lots:
            self._lifecycle.forget(order)
        elif type is _LIMIT and time_in_force is not _IOC and time_in_force is not _FOK:
            self.rest(order)
        else:
            remainder = _IOC_REMAINDER if type is _LIMIT else _MARKET_REMAINDER
            self._lifecycle.end(order, remainder, events)

    def _match_within(
        self,
        bands: Bands,
        order: Order,
        limit_ticks: int,
        time_in_force: TimeInForce,
        rests: bool,
        rule: SelfTradePrevention,
        events: list[Event],
    ) -> CancelReason | None:
        """Fills the order within the instrument's price bands, as they are before it.

        What could trade on beyond them, or would rest where nothing may trade, ends there.
        """
        book, side = order.book, order.side
        dynamic = bands.dynamic(book)
        allowed = both(bands.static(book), dynamic)
        within_ticks = clipped(side, limit_ticks, allowed)
        first_ticks = meets(book, side, limit_ticks)
        blocked = first_ticks is not None and not within(allowed, first_ticks)
        if time_in_force is _FOK and (blocked or not self._fills_whole(order, within_ticks, rule)):
            return CancelReason.FOK_UNFILLABLE
        if not blocked:
            ended = self._matcher.match(order, within_ticks, rule, events)
            if ended is not None or not order.remaining_lots:
                return ended
        next_ticks = meets(book, side, limit_ticks)
        if next_ticks is not None:
            self._pause_ns = 0 if within(dynamic, next_ticks) else bands.pause_ns
            return CancelReason.PRICE_BAND
        if rests and reaches_beyond(side, order.price_ticks, allowed):
            return CancelReason.PRICE_BAND
        return None

    def _fills_whole(self, order: Order, limit_ticks: int, rule: SelfTradePrevention) -> bool:
        """Whether a fill-or-kill order can be filled, with the trades that the command has left."""
        venue = self._venue
        return fills_whole(
            order.book,
            order.side,
            limit_ticks,
            order.remaining_lots,
            order.account,
            rule,
            venue.end_trade_id - venue.next_trade_id,
        )

    def _pause(self, book: Book, events: list[Event]) -> None:
        """The order that met the end of the dynamic band is done: an auction finds the price."""
        pause_ns, self._pause_ns = self._pause_ns, 0
        self._phases.begin_volatility_auction(book, pause_ns, events)

    def _outside_trading(self, order: Order) -> CancelReason | None:
        """Why a limit order cannot rest in another phase than TRADING; nothing trades there.

        New orders were refused where the phase takes none, and what would become a market order
        waits. What follows from earlier ones, such as the exits of a bracket, may rest even in a
        halt.
        """
        book = order.book
        if book.instrument.status is InstrumentStatus.POST_ONLY:
            crosses = meets(book, order.side, order.price_ticks) is not None
            return CancelReason.POST_ONLY if crosses else None
        book_changed(self._venue, book)
        return None

    def rest(self, order: Order) -> None:
        """Puts an order into its book and holds what it needs."""
        special = order.special
        if special is not None:
            display_lots = special.options.display_lots
            if display_lots and order.remaining_lots > display_lots:
                special.reserve_lots = order.remaining_lots - display_lots
                order.remaining_lots = display_lots
        book = order.book
        book.rest(order)
        self._venue.ledger.hold(order.funds, order.held_minor())
        order.account.orders[order.order_id] = order
        bid, ask = book.bids.best, book.asks.best
        if (
            bid is not None
            and ask is not None
            and bid.price_ticks >= ask.price_ticks
            and book.instrument.status is _TRADING
        ):
            raise InvariantBroken("I6", f"{book.instrument.symbol} is crossed or locked")
